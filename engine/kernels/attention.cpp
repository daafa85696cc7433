#include "engine/kernels/attention.h"

#include <omp.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/kernels/attention_tile.h"
#include "engine/profiler/profiler.h"
#include "engine/profiler/worker_spans.h"

namespace attend {
namespace {

// Queries of a task: so many share each tile of keys and values while it is in the L2 cache.
constexpr std::int64_t kTaskQueries = 8 * kTileQueries;
// Fewer multiply-adds are done before other threads have woken up.
constexpr double kParallelWork = 65536;

// Some queries of a span that share a key-value head, against the tiles [first_tile, end_tile) of its keys.
struct Task {
  std::int32_t span = 0;
  std::int32_t kv_head = 0;
  std::int32_t first_query = 0;  // queries are numbered row by row, heads of the group within a row
  std::int32_t queries = 0;
  std::int32_t first_tile = 0;
  std::int32_t end_tile = 0;
  // Where its tiles leave their sums when they run as work of their own, to be merged afterwards; null: they
  // do not.
  float* sums = nullptr;
};

// The keys [begin, end) that the query at `position` sees.
std::pair<std::int64_t, std::int64_t> visible(const AttentionShape& shape, std::int64_t position,
                                              std::int64_t keys) {
  std::int64_t begin = 0;
  std::int64_t end = keys;
  if (shape.causal) end = std::min(end, position + 1);
  if (shape.window > 0) {
    begin = std::max<std::int64_t>(0, position + 1 - shape.window);
    if (!shape.causal) {
      // Both ways: |query - key| <= window / 2 (local attention of encoders).
      begin = std::max<std::int64_t>(0, position - shape.window / 2);
      end = std::min(end, position + shape.window / 2 + 1);
    }
  }
  return {begin, std::max(begin, end)};
}

std::int64_t padded(std::int64_t floats) {
  return (floats + 15) / 16 * 16;
}

std::int64_t padded_queries(std::int64_t queries) {
  return (queries + kTileQueries - 1) / kTileQueries * kTileQueries;
}

std::int64_t softmax_floats(std::int64_t queries, std::int64_t value_stride) {
  return 2 * padded(padded_queries(queries)) + padded_queries(queries) * value_stride;
}

RunningSoftmax softmax_at(float* memory, std::int64_t queries) {
  const std::int64_t scalars = padded(padded_queries(queries));
  return {memory, memory + scalars, memory + 2 * scalars};
}

// One thread's memory.
struct Workspace {
  float* q = nullptr;  // [kTaskQueries / kTileQueries][query_words][kTileQueries]
  float* scores = nullptr;
  RunningSoftmax tile, running;

  // Of queries, a whole vector is written where words are left over.
  static std::int64_t query_floats(const KvSlice& kv) { return kTaskQueries * ((kv.head_dim + 3) / 4 * 4); }

  static std::int64_t floats(const KvSlice& kv) {
    return padded(query_floats(kv)) + kTileQueries * kScoreStride +
           softmax_floats(kTileQueries, kv.value_stride()) + softmax_floats(kTaskQueries, kv.value_stride());
  }

  Workspace(const KvSlice& kv, float* memory) : q(memory) {
    scores = q + padded(query_floats(kv));
    float* rest = scores + kTileQueries * kScoreStride;
    tile = softmax_at(rest, kTileQueries);
    running = softmax_at(rest + softmax_floats(kTileQueries, kv.value_stride()), kTaskQueries);
  }
};

class AttentionRun {
 public:
  AttentionRun(const AttentionShape& shape, std::span<const AttentionSpan> spans, const float* q,
               std::int64_t q_stride, float* out, std::span<const AttentionWeightsSink> sinks, bool timed)
      : shape_(shape), spans_(spans), q_(q), q_stride_(q_stride), out_(out), sinks_(sinks), timed_(timed) {}

  // All tiles of a task, one after another.
  void run(const Task& task, const Workspace& memory, AttentionSeconds& seconds) const {
    pack(task, memory);
    std::fill_n(memory.running.sum, task.queries, 0.0F);
    for (std::int64_t t = task.first_tile; t < task.end_tile; ++t) {
      for (std::int64_t first = 0; first < task.queries; first += kTileQueries) {
        const RunningSoftmax running = memory.running.from(first, stride());
        if (t == task.first_tile) {
          run_tile(task, t, first, memory, running, seconds);
        } else if (run_tile(task, t, first, memory, memory.tile, seconds)) {
          merge_softmax(memory.tile, tile_queries(task, first), stride(), running);
        }
      }
    }
    finish(task, memory.running);
  }

  // One tile of a task whose tiles are work of their own.
  void run_part(const Task& task, std::int64_t tile, const Workspace& memory,
                AttentionSeconds& seconds) const {
    pack(task, memory);
    const RunningSoftmax sums = sums_of(task, tile);
    std::fill_n(sums.sum, task.queries, 0.0F);
    for (std::int64_t first = 0; first < task.queries; first += kTileQueries)
      run_tile(task, tile, first, memory, sums.from(first, stride()), seconds);
  }

  // What the parts of a task found, in the order of their keys.
  void merge_parts(const Task& task, const Workspace& memory) const {
    std::fill_n(memory.running.sum, task.queries, 0.0F);
    for (std::int64_t t = task.first_tile; t < task.end_tile; ++t)
      merge_softmax(sums_of(task, t), task.queries, stride(), memory.running);
    finish(task, memory.running);
  }

 private:
  std::int64_t stride() const { return shape_.kv.value_stride(); }
  std::int64_t group() const { return shape_.heads / shape_.kv.heads; }
  const AttentionSpan& span_of(const Task& task) const { return spans_[static_cast<std::size_t>(task.span)]; }
  // Of a query: its row within the span, and its head.
  std::int64_t row_of(const Task& task, std::int64_t query) const {
    return (task.first_query + query) / group();
  }
  std::int64_t head_of(const Task& task, std::int64_t query) const {
    return task.kv_head * group() + (task.first_query + query) % group();
  }
  static int tile_queries(const Task& task, std::int64_t first) {
    return static_cast<int>(std::min<std::int64_t>(kTileQueries, task.queries - first));
  }
  RunningSoftmax sums_of(const Task& task, std::int64_t tile) const {
    return softmax_at(task.sums + (tile - task.first_tile) * softmax_floats(task.queries, stride()),
                      task.queries);
  }

  void pack(const Task& task, const Workspace& memory) const {
    const std::int64_t d = shape_.kv.head_dim;
    for (std::int64_t first = 0; first < task.queries; first += kTileQueries) {
      const float* rows[kTileQueries];
      const int count = tile_queries(task, first);
      for (int i = 0; i < count; ++i) {
        rows[i] = q_ + (span_of(task).first_row + row_of(task, first + i)) * q_stride_ +
                  head_of(task, first + i) * d;
      }
      pack_queries(shape_, count, rows, memory.q + first * query_words(shape_));
    }
  }

  // The tile `t` of the keys and the task's queries from `first` on; no blocks when none sees any.
  AttentionTile make_tile(const Task& task, std::int64_t t, std::int64_t first) const {
    const AttentionSpan& span = span_of(task);
    AttentionTile tile;
    tile.shape = &shape_;
    tile.blocks = span.blocks;
    tile.kv_head = task.kv_head;
    tile.queries = tile_queries(task, first);
    const std::int64_t tile_begin = t * tile_keys(shape_.kv);
    const std::int64_t tile_end = tile_begin + tile_keys(shape_.kv);
    std::int64_t low = tile_end;
    for (int i = 0; i < tile.queries; ++i) {
      const auto n = static_cast<std::size_t>(i);
      std::tie(tile.begin[n], tile.end[n]) = visible(shape_, span.past + row_of(task, first + i), span.keys);
      tile.begin[n] = std::clamp(tile.begin[n], tile_begin, tile_end);
      tile.end[n] = std::clamp(tile.end[n], tile.begin[n], tile_end);
      if (tile.begin[n] == tile.end[n]) continue;
      low = std::min(low, tile.begin[n]);
      tile.max_end = std::max(tile.max_end, tile.end[n]);
    }
    tile.first_block = low / kBlockTokens;
    tile.end_block = std::max(tile.first_block, (tile.max_end + kBlockTokens - 1) / kBlockTokens);
    tile.table_end = (span.keys + kBlockTokens - 1) / kBlockTokens;
    const std::int64_t base = tile.first_block * kBlockTokens;
    for (int i = 0; i < tile.queries; ++i) {
      const auto n = static_cast<std::size_t>(i);
      const bool none = tile.begin[n] == tile.end[n];
      tile.begin[n] = none ? 0 : tile.begin[n] - base;
      tile.end[n] = none ? 0 : tile.end[n] - base;
      tile.head[n] = head_of(task, first + i);
      if (shape_.relative != nullptr)
        tile.distance[n] = shape_.relative->center + base - (span.past + row_of(task, first + i));
    }
    return tile;
  }

  // False when none of the queries sees a key of the tile: `result` is as it was.
  bool run_tile(const Task& task, std::int64_t t, std::int64_t first, const Workspace& memory,
                const RunningSoftmax& result, AttentionSeconds& seconds) const {
    AttentionTile tile = make_tile(task, t, first);
    if (tile.first_block == tile.end_block) return false;
    tile.q = memory.q + first * query_words(shape_);
    tile.scores = memory.scores;
    tile.result = result;
    const auto clock = [&] { return timed_ ? Profiler::now() : 0.0; };
    const double t0 = clock();
    score_tile(tile);
    const double t1 = clock();
    mask_tile(tile);
    if (!sinks_.empty()) copy_scores(task, first, tile);
    exponentiate_tile(tile);
    const double t2 = clock();
    mix_tile(tile);
    seconds.scores += t1 - t0;
    seconds.softmax += t2 - t1;
    seconds.mix += clock() - t2;
    return true;
  }

  void finish(const Task& task, const RunningSoftmax& running) const {
    const std::int64_t d = shape_.kv.head_dim;
    const AttentionSpan& span = span_of(task);
    for (std::int64_t i = 0; i < task.queries; ++i) {
      const RunningSoftmax query = running.from(i, stride());
      const std::int64_t row = row_of(task, i);
      finish_softmax(query, d, out_ + ((span.first_row + row) * shape_.heads + head_of(task, i)) * d);
      if (sinks_.empty()) continue;
      const auto [begin, end] = visible(shape_, span.past + row, span.keys);
      for_sinks(task, i, [&](float* weights) { finish_weights(query, end - begin, weights + begin); });
    }
  }

  // Calls use(weights of key 0) for every sink that wants this query.
  template <typename Use>
  void for_sinks(const Task& task, std::int64_t query, Use&& use) const {
    for (const AttentionWeightsSink& sink : sinks_) {
      const std::int64_t row = span_of(task).first_row + row_of(task, query) - sink.first_row;
      const std::int64_t head = head_of(task, query) - sink.first_head;
      if (row < 0 || row >= sink.rows || head < 0 || head >= sink.heads) continue;
      use(sink.weights + head * sink.head_stride + row * sink.row_stride);
    }
  }

  // Sinks hold scores until the query's softmax is known.
  void copy_scores(const Task& task, std::int64_t first, const AttentionTile& tile) const {
    for (int i = 0; i < tile.queries; ++i) {
      const auto n = static_cast<std::size_t>(i);
      for_sinks(task, first + i, [&](float* weights) {
        const float* scores = tile.scores + i * kScoreStride;
        std::copy(scores + tile.begin[n], scores + tile.end[n],
                  weights + tile.first_block * kBlockTokens + tile.begin[n]);
      });
    }
  }

  const AttentionShape& shape_;
  std::span<const AttentionSpan> spans_;
  const float* q_;
  std::int64_t q_stride_;
  float* out_;
  std::span<const AttentionWeightsSink> sinks_;
  bool timed_;
};

// Whether there are so few tasks that their tiles are spread over the threads: which changes no bits.
bool spreads_tiles(const AttentionShape& shape, std::span<const AttentionSpan> spans, int threads) {
  constexpr int kTasksPerThread = 4;
  if (threads == 1) return false;
  std::int64_t tasks = 0;
  for (const AttentionSpan& span : spans)
    tasks += (span.rows * shape.heads / shape.kv.heads + kTaskQueries - 1) / kTaskQueries * shape.kv.heads;
  return tasks < static_cast<std::int64_t>(kTasksPerThread) * threads;
}

// Calls use(task) for every task; returns the floats that the sums of their tiles need.
template <typename Use>
std::int64_t for_tasks(const AttentionShape& shape, std::span<const AttentionSpan> spans, int threads,
                       float* sums, Use&& use) {
  const bool spread = spreads_tiles(shape, spans, threads);
  const std::int64_t group = shape.heads / shape.kv.heads;
  const std::int64_t keys = tile_keys(shape.kv);
  std::int64_t floats = 0;
  for (std::size_t s = 0; s < spans.size(); ++s) {
    const AttentionSpan& span = spans[s];
    for (std::int64_t head = 0; head < shape.kv.heads; ++head) {
      for (std::int64_t first = 0; first < span.rows * group; first += kTaskQueries) {
        const std::int64_t count = std::min(kTaskQueries, span.rows * group - first);
        const std::int64_t low = visible(shape, span.past + first / group, span.keys).first;
        const std::int64_t high = visible(shape, span.past + (first + count - 1) / group, span.keys).second;
        Task task{.span = static_cast<std::int32_t>(s),
                  .kv_head = static_cast<std::int32_t>(head),
                  .first_query = static_cast<std::int32_t>(first),
                  .queries = static_cast<std::int32_t>(count),
                  .first_tile = static_cast<std::int32_t>(low / keys),
                  .end_tile = static_cast<std::int32_t>((high + keys - 1) / keys)};
        const std::int64_t tiles = task.end_tile - task.first_tile;
        if (spread && tiles > 1) {
          if (sums != nullptr) task.sums = sums + floats;
          floats += tiles * softmax_floats(count, shape.kv.value_stride());
        }
        use(task);
      }
    }
  }
  return floats;
}

double work_of(const AttentionShape& shape, std::span<const AttentionSpan> spans) {
  double pairs = 0;
  for (const AttentionSpan& span : spans) pairs += static_cast<double>(span.rows) * span.keys;
  return 2.0 * pairs * static_cast<double>(shape.heads * shape.kv.head_dim);
}

}  // namespace

std::int64_t visible_pairs(const AttentionShape& shape, std::span<const AttentionSpan> spans) {
  std::int64_t pairs = 0;
  for (const AttentionSpan& span : spans) {
    for (std::int32_t row = 0; row < span.rows; ++row) {
      const auto [begin, end] = visible(shape, span.past + row, span.keys);
      pairs += end - begin;
    }
  }
  return pairs;
}

std::int64_t attention_scratch_floats(const AttentionShape& shape, std::span<const AttentionSpan> spans,
                                      int threads) {
  return Workspace::floats(shape.kv) * threads +
         for_tasks(shape, spans, threads, nullptr, [](const Task&) {});
}

void attention(const AttentionShape& shape, std::span<const AttentionSpan> spans, const float* q,
               std::int64_t q_stride, float* out, int threads, float* scratch, AttentionSeconds* seconds,
               std::span<const AttentionWeightsSink> sinks) {
  struct Item {
    std::int32_t task;
    std::int32_t tile;  // -1: all of them
  };
  thread_local std::vector<Task> task_list;
  thread_local std::vector<Item> item_list;
  task_list.clear();
  item_list.clear();
  const std::int64_t per_thread = Workspace::floats(shape.kv);
  std::int32_t most_tiles = 0;  // of tasks whose tiles are work of their own
  for_tasks(shape, spans, threads, scratch + per_thread * threads, [&](const Task& task) {
    const auto index = static_cast<std::int32_t>(task_list.size());
    task_list.push_back(task);
    if (task.sums == nullptr) item_list.push_back({index, -1});
    if (task.sums != nullptr) most_tiles = std::max(most_tiles, task.end_tile - task.first_tile);
  });
  // The last tiles of all tasks come last: some are shorter than others. And with as many tasks as threads, a
  // thread meets the tiles of one task in sequence.
  for (std::int32_t t = 0; t < most_tiles; ++t) {
    for (std::size_t i = 0; i < task_list.size(); ++i) {
      const Task& task = task_list[i];
      if (task.sums != nullptr && task.first_tile + t < task.end_tile)
        item_list.push_back({static_cast<std::int32_t>(i), task.first_tile + t});
    }
  }
  const Task* tasks = task_list.data();
  const Item* items = item_list.data();
  const auto count = static_cast<std::int64_t>(item_list.size());
  const auto task_count = static_cast<std::int64_t>(task_list.size());
  const bool parallel = count > 1 && threads > 1 && work_of(shape, spans) > kParallelWork;
  const int chunk = static_cast<int>(std::clamp<std::int64_t>(count / (16 * threads), 1, 16));
  const AttentionRun run(shape, spans, q, q_stride, out, sinks, seconds != nullptr);
  double scores_s = 0;
  double softmax_s = 0;
  double mix_s = 0;
  WorkerSpans* const workers = WorkerSpans::current();
#pragma omp parallel num_threads(threads) if (parallel) reduction(+ : scores_s, softmax_s, mix_s)
  {
    const WorkerTimer worker(workers);
    const Workspace memory(shape.kv, scratch + omp_get_thread_num() * per_thread);
    AttentionSeconds own;
#pragma omp for schedule(dynamic, chunk)
    for (std::int64_t i = 0; i < count; ++i) {
      const Task& task = tasks[items[i].task];
      if (items[i].tile < 0) {
        run.run(task, memory, own);
      } else {
        run.run_part(task, items[i].tile, memory, own);
      }
    }
    if (most_tiles > 0) {
#pragma omp for schedule(static)
      for (std::int64_t i = 0; i < task_count; ++i) {
        if (tasks[i].sums != nullptr) run.merge_parts(tasks[i], memory);
      }
    }
    scores_s += own.scores;
    softmax_s += own.softmax;
    mix_s += own.mix;
  }
  if (seconds != nullptr) *seconds = {scores_s, softmax_s, mix_s};
}

}  // namespace attend
