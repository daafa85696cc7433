// attend quantize: a model directory with its weights in 8 bits.
#include "attend/quantize.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "attend/error.h"
#include "tools/cli/command.h"
#include "tools/cli/errors.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/model_options.h"
#include "tools/cli/output.h"
#include "tools/cli/progress.h"

namespace attend::cli {
namespace {

Options make_options() {
  Options options(
      "quantize MODEL OUT",
      "Writes MODEL into the new directory OUT with the weights of its products in 8 bits, a scale\n"
      "for every output. OUT runs like any model, as MODEL does with --dtype int8, bit for bit, in\n"
      "about a quarter of the file and of the time to load. Nothing is left of a run that failed or\n"
      "was interrupted.",
      {"attend quantize opus-mt-en-de opus-mt-en-de-int8",
       "attend run opus-mt-en-de-int8 \"Where is the station?\""});
  options.add_group("Output",
                    {{"dtype", OptionKind::value, "T", "of the weights: int8 (default: int8)"},
                     {"json", OptionKind::flag, "", "what was written, as one JSON object on one line"}});
  options.add_group("Other", log_options());
  return options;
}

std::string out_argument(const Options& options) {
  const std::vector<std::string>& words = options.positional();
  if (words.size() == 2) return words[1];
  throw usage_error("QUANTIZE_OUT", words.size() < 2 ? "OUT" : words[2],
                    words.size() < 2 ? "the directory to write is needed: attend quantize MODEL OUT"
                                     : "expected two directories: attend quantize MODEL OUT");
}

int run(const std::vector<std::string>& arguments) {
  Options options = make_options();
  if (!options.parse(arguments)) return kExitDone;
  set_up_logging(options);
  const std::string model = model_argument(options);
  const std::string out = out_argument(options);
  QuantizeOptions how;
  how.dtype = options.text("dtype").value_or(how.dtype);
  Progress progress("quantizing");
  how.progress = [&](double fraction) { progress.update(fraction, model); };
  how.cancelled = interrupted;
  const auto begin = std::chrono::steady_clock::now();
  QuantizeSummary done;
  {
    const InterruptScope scope([] {});
    done = quantize(model, out, how);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Progress::clear_line();
  const auto mb = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  if (options.flag("json")) {
    write_json({{"path", out},
                {"dtype", how.dtype},
                {"tensors", done.tensors},
                {"quantized_tensors", done.quantized_tensors},
                {"weights_file_bytes", done.weights_file_bytes},
                {"quantized_file_bytes", done.quantized_file_bytes},
                {"seconds", seconds}});
  } else {
    std::fputs(fmt::format("attend: {}: {} of {} tensors in {}, {:.1f} MB instead of {:.1f}, {:.1f} s\n", out,
                           done.quantized_tensors, done.tensors, how.dtype, mb(done.quantized_file_bytes),
                           mb(done.weights_file_bytes), seconds)
                   .c_str(),
               stderr);
  }
  return kExitDone;
}

}  // namespace

const Command kQuantizeCommand = {"quantize", "a model directory with its weights in 8 bits", run};

}  // namespace attend::cli
