// Chat templates from any bytes: a typed error or text, within the budget, and the same text twice.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "attend/error.h"
#include "loaders/chat/chat_template.h"

namespace {

attend::ChatInput make_input() {
  const attend::ChatMessage messages[] = {
      {"system", "Be brief."}, {"user", "H\xC3\xA9llo <b>"}, {"assistant", "a\nb"}};
  attend::ChatInput input;
  input.messages = attend::messages_value(messages);
  input.now = attend::LocalTime::parse("2024-07-26T12:34:56");
  input.variables.emplace_back("bos_token", "<s>");
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const attend::ChatInput input = make_input();
  try {
    const auto parsed =
        attend::ChatTemplate::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    const std::string text = parsed.render(input);
    if (text.size() > (4U << 20U) || parsed.render(input) != text) std::abort();
  } catch (const attend::Error& error) {
    if (!error.kind().starts_with("TPL_")) std::abort();
  }
  return 0;
}
