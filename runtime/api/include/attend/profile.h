// Where the time of a model's requests goes: Model::start_profile() and Model::stop_profile().
//
// A profile accounts for the whole time between the two. The scheduler's thread is split into the steps of
// the nodes that it runs and the sections beside them; while it waits, the time is [tokenizer] where a caller
// tokenizes meanwhile, and [other] where nothing of attend does. So steps and sections sum to wall_seconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attend {

struct ProfileOptions {
  bool trace = false;  // keep every single event, for write_trace()
};

// A timed step of a node in one phase: "encoder", "prefill" (prompts), "decode", or "mixed" (prompts beside
// sequences that decode, in one pass).
struct ProfileStep {
  std::string phase;
  std::string node;  // "model.decoder.layers.3.self_attn"
  std::string kind;  // "self_attention"
  std::string step;  // "qkv"
  // What ran it: oneDNN's names, "attend", or "attend:avx512_bf16" and the like for products of its own.
  std::vector<std::string> implementations;
  std::int64_t calls = 0;
  std::int64_t rows = 0;
  double seconds = 0;
  double flops = 0;  // 0: not counted
  double bytes = 0;  // that have to be read or written at least once; 0: not counted
};

// What is not a node's: "[executor]" (between the steps of a pass), "[sampler]" (choosing tokens from
// logits), "[scheduler]", "[tokenizer]" (encoding and decoding text), "[task]" (from outputs to the task's
// result), "[other]" (waiting for requests, and for the threads that take the results).
struct ProfileSection {
  std::string name;
  std::int64_t calls = 0;
  double seconds = 0;
};

// A request's share of the passes that it took part in, by its rows in each.
struct ProfileRequest {
  std::int64_t number = 0;  // in the order of submission, from 0
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  bool done = false;
  double queue_seconds = 0;
  double total_seconds = 0;  // from submission to the end
  double encoder_seconds = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
  double sampler_seconds = 0;

  double compute_seconds() const {
    return encoder_seconds + prefill_seconds + decode_seconds + sampler_seconds;
  }
};

// Of a trace: something that took time on one thread. Slices of a thread nest.
struct ProfileSlice {
  int thread = 0;            // index into Profile::threads
  int name = 0;              // index into Profile::names
  double begin_seconds = 0;  // since the profile's start
  double end_seconds = 0;
  std::int64_t rows = 0;               // of passes
  std::vector<std::int64_t> requests;  // numbers of those concerned
  bool submits = false;                // the request begins here
};

struct Profile {
  double wall_seconds = 0;
  std::vector<ProfileStep> steps;  // in the order of the graphs; those that ran
  std::vector<ProfileSection> sections;
  std::vector<ProfileRequest> requests;
  // With ProfileOptions::trace.
  // "scheduler", which runs the model; "worker 1" and so on, which help it; "caller 1" and so on, which
  // submit requests. What oneDNN's threads do inside of a product is not known: workers show all of it, as
  // "(oneDNN)".
  std::vector<std::string> threads;
  std::vector<std::string> names;
  std::vector<ProfileSlice> slices;
  bool trace_complete = true;  // false: events were dropped because there were too many
};

enum class ProfileGrouping {
  layer,  // nodes of one layer together, others by themselves, in the order of the graph
  kind,   // equal steps of equal kinds of nodes together, the longest first
  none,   // every step of every node, the longest first
};

// A line of the table.
struct ProfileRow {
  std::string phase;  // empty for sections
  std::string name;
  std::vector<std::string> implementations;
  std::int64_t calls = 0;
  std::int64_t rows = 0;
  double seconds = 0;
  double flops = 0;
  double bytes = 0;
  // Of these, the steps whose work is counted, and what they would take on a machine that reaches its peaks
  // (roofline, Williams et al. 2009): the larger of flops / peak and bytes / peak bandwidth of each.
  double counted_seconds = 0;
  double ideal_seconds = 0;
  bool compute_bound = false;
  // oneDNN fell back to its reference implementation, which is many times slower than it could be.
  bool reference = false;
};

// Peaks of the machine; 0: not known, ideal_seconds are 0 then.
struct Roofline {
  double flops_per_second = 0;
  double bytes_per_second = 0;
};

// Steps by phase, then the sections. The rows sum to profile.wall_seconds.
std::vector<ProfileRow> profile_rows(const Profile& profile, ProfileGrouping grouping,
                                     const Roofline& roofline = {});

}  // namespace attend
