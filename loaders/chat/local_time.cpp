#include "loaders/chat/local_time.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>

#include "attend/error.h"

namespace attend {
namespace {

// Two-digit fields and the like: exactly `size` digits from `text`, which is shortened by them.
bool take_number(std::string_view& text, std::size_t size, int& value) {
  if (text.size() < size) return false;
  value = 0;
  for (const char c : text.substr(0, size)) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(size);
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

int days_of_month(int year, int month) {
  const std::chrono::year_month_day_last last{std::chrono::year{year} / month / std::chrono::last};
  return static_cast<int>(static_cast<unsigned>(last.day()));
}

bool parse_time(std::string_view& text, LocalTime& time) {
  if (!take_number(text, 2, time.hour) || !take(text, ':') || !take_number(text, 2, time.minute))
    return false;
  if (take(text, ':') && !take_number(text, 2, time.second)) return false;
  if (take(text, '.')) {
    int unit = 100000;
    int digit = 0;
    while (!text.empty() && take_number(text, 1, digit)) {
      time.microsecond += digit * unit;
      unit /= 10;
    }
  }
  return time.hour < 24 && time.minute < 60 && time.second < 60;
}

}  // namespace

LocalTime LocalTime::now() {
  const auto point = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(point);
  std::tm local{};
  localtime_r(&seconds, &local);
  const auto fraction =
      std::chrono::duration_cast<std::chrono::microseconds>(point.time_since_epoch()).count() % 1000000;
  return {local.tm_year + 1900, local.tm_mon + 1,          local.tm_mday, local.tm_hour, local.tm_min,
          local.tm_sec,         static_cast<int>(fraction)};
}

LocalTime LocalTime::parse(std::string_view text) {
  std::string_view rest = text;
  LocalTime time;
  bool valid = take_number(rest, 4, time.year) && take(rest, '-') && take_number(rest, 2, time.month) &&
               take(rest, '-') && take_number(rest, 2, time.day) && time.month >= 1 && time.month <= 12 &&
               time.day >= 1 && time.day <= days_of_month(time.year, time.month);
  if (valid && !rest.empty()) {
    valid = (take(rest, 'T') || take(rest, ' ')) && parse_time(rest, time) && rest.empty();
  }
  if (!valid) {
    throw usage_error("TIME_FORMAT", std::string(text), "expected a time such as 2024-07-26T12:34:56");
  }
  return time;
}

std::string LocalTime::format(std::string_view pattern) const {
  std::tm fields{};
  fields.tm_year = year - 1900;
  fields.tm_mon = month - 1;
  fields.tm_mday = day;
  fields.tm_hour = hour;
  fields.tm_min = minute;
  fields.tm_sec = second;
  fields.tm_isdst = -1;
  const std::chrono::sys_days date{std::chrono::year{year} / month / day};
  fields.tm_wday = static_cast<int>(std::chrono::weekday{date}.c_encoding());
  fields.tm_yday = static_cast<int>((date - std::chrono::sys_days{std::chrono::year{year} / 1 / 1}).count());
  std::string text;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      text += pattern[i];
      continue;
    }
    std::string directive = "%";
    // glibc's flags: %-d without a leading zero.
    while (i + 1 < pattern.size() &&
           std::string_view("-_0^#").find(pattern[i + 1]) != std::string_view::npos) {
      directive += pattern[++i];
    }
    if (i + 1 == pattern.size()) {
      text += directive;
      break;
    }
    const char letter = pattern[++i];
    directive += letter;
    if (letter == 'f') {
      text += fmt::format("{:06}", microsecond);
    } else if (letter == 's') {
      text += std::to_string(std::mktime(&fields));
    } else if (letter != 'z' && letter != 'Z') {
      std::array<char, 128> buffer{};
      text.append(buffer.data(), std::strftime(buffer.data(), buffer.size(), directive.c_str(), &fields));
    }
  }
  return text;
}

}  // namespace attend
