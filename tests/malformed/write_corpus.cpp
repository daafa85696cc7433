// attend_malformed_corpus DIR: writes every malformed checkpoint, one folder a case, with its verdict in
// DIR/verdicts.tsv (case, accepted kinds, part of the place, stage). The tests write the same by themselves;
// this is for looking at them, for other tools, and for the fuzzers' seeds.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/malformed_corpus.h"

namespace {

const char* name_of(attend::test::MalformedStage stage) {
  using attend::test::MalformedStage;
  switch (stage) {
    case MalformedStage::weights: return "weights";
    case MalformedStage::check_tensors: return "check_tensors";
    case MalformedStage::config: return "config";
    case MalformedStage::rope: return "rope";
    case MalformedStage::model: return "model";
    case MalformedStage::accepted: return "accepted";
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: attend_malformed_corpus DIR\n");
    return 2;
  }
  const std::filesystem::path root = argv[1];
  std::filesystem::create_directories(root);
  std::ofstream verdicts(root / "verdicts.tsv");
  for (const attend::test::MalformedCase& malformed : attend::test::malformed_corpus()) {
    attend::test::write_case(malformed, root);
    verdicts << fmt::format("{}\t{}\t{}\t{}\n", malformed.name, fmt::join(malformed.kinds, "|"),
                            malformed.where, name_of(malformed.stage));
  }
  fmt::print("{} cases written\n", attend::test::malformed_corpus().size());
  return 0;
}
