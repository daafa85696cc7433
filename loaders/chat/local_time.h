// The clock of a template's strftime_now().
#pragma once

#include <string>
#include <string_view>

namespace attend {

// A wall-clock time without a zone.
struct LocalTime {
  int year = 1970, month = 1, day = 1;
  int hour = 0, minute = 0, second = 0, microsecond = 0;

  static LocalTime now();
  // "2024-07-26T12:34:56", "2024-07-26 12:34" or "2024-07-26", seconds with a fraction or not. Throws usage
  // Error TIME_FORMAT.
  static LocalTime parse(std::string_view text);
  // strftime() of the C locale; %f is the microsecond, %z and %Z are empty, as in Python.
  std::string format(std::string_view pattern) const;
};

}  // namespace attend
