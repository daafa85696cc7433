// Tables about code points, measured on the reference library by tests/goldens/make_unicode_tables.py.
//
// Runs are written as first code point << bits | value; a run ends where the next one begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace attend::unicode_data {

struct CaseRun {
  std::uint32_t first, last;
  std::int32_t stride, delta;
};

extern const std::uint32_t kCategories[];
extern const std::size_t kCategoriesCount;
extern const std::string_view kScriptNames[];
extern const std::size_t kScriptNamesCount;
extern const std::uint32_t kScripts[];
extern const std::size_t kScriptsCount;
extern const std::uint32_t kSplitScripts[];
extern const std::size_t kSplitScriptsCount;
extern const std::uint32_t kGraphemes[];
extern const std::size_t kGraphemesCount;
extern const CaseRun kLower[];
extern const std::size_t kLowerCount;
extern const CaseRun kFolds[];
extern const std::size_t kFoldsCount;

// Sets: first and last code point of each range, in turn.
extern const std::uint32_t kOtherAlphabetic[];
extern const std::size_t kOtherAlphabeticCount;
extern const std::uint32_t kOtherLowercase[];
extern const std::size_t kOtherLowercaseCount;
extern const std::uint32_t kOtherUppercase[];
extern const std::size_t kOtherUppercaseCount;
extern const std::uint32_t kPunctuation[];
extern const std::size_t kPunctuationCount;
extern const std::uint32_t kCleanedText[];
extern const std::size_t kCleanedTextCount;
extern const std::uint32_t kAccents[];
extern const std::size_t kAccentsCount;
extern const std::uint32_t kBertAccents[];
extern const std::size_t kBertAccentsCount;
extern const std::uint32_t kNumeric[];
extern const std::size_t kNumericCount;
extern const std::uint32_t kNormalizable[];
extern const std::size_t kNormalizableCount;
extern const std::uint32_t kEmoji[];
extern const std::size_t kEmojiCount;
extern const std::uint32_t kExtendedPictographic[];
extern const std::size_t kExtendedPictographicCount;

}  // namespace attend::unicode_data
