#include "runtime/api/observe_attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/api/attention_layers.h"
#include "runtime/api/attention_tokens.h"
#include "runtime/api/machine.h"

namespace attend {
namespace {

// Maps of rows x keys of the chosen heads, kept whole until the pass is done.
void check_memory(const LayerTable& table, const AttentionRequest& request, std::size_t queries,
                  std::size_t keys) {
  double bytes = 0;
  for (const std::int64_t layer : table.layers(request.layers)) {
    bytes += static_cast<double>(table.heads(layer, request.heads).size()) * static_cast<double>(queries) *
             static_cast<double>(keys) * sizeof(float);
  }
  const auto limit = static_cast<double>(available_memory_bytes()) / 2;
  if (bytes <= limit) return;
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  throw Error(
      "ATTENTION_SIZE", "maps",
      fmt::format("the maps of {} queries and {} keys need {:.1f} GiB, more than half of the {:.1f} GiB "
                  "that the machine has free; ask for fewer layers or heads, or a shorter input",
                  queries, keys, bytes / kGiB, 2 * limit / kGiB));
}

class Observation {
 public:
  Observation(const AttentionEnvironment& environment, const AttentionRequest& request)
      : environment_(environment),
        request_(request),
        tokenizer_(environment.tokenizer),
        table_(environment.def, request.kind) {
    for (const std::int64_t layer : table_.layers(request.layers)) table_.heads(layer, request.heads);
  }

  AttentionResult run() {
    result_.kind = table_.kind();
    source_ = tokenize_input(tokenizer_, request_.input);
    if (request_.query) check_query(*request_.query);
    if (!table_.in_encoder()) read_target();
    if (request_.query) check_position(*request_.query);
    if (own_vectors()) {
      observe_vectors();
    } else if (request_.query && table_.kind() != AttentionKind::cross) {
      observe_text();
    } else {
      observe_rows();
    }
    return std::move(result_);
  }

 private:
  bool encodes_first() const { return environment_.def.family == Family::encoder_decoder; }
  bool own_vectors() const { return request_.query && !request_.query->vectors.empty(); }

  void check_query(const AttentionQuery& query) const {
    if (query.vectors.empty() == !query.text)
      throw usage_error("QUERY", "query", "give vectors or a text, one of them");
    if (table_.kind() == AttentionKind::decoder && encodes_first()) {
      throw usage_error(
          "QUERY", "query",
          "queries of one's own go over the keys and values of the input, which a model with an "
          "encoder reads there: kind encoder or cross");
    }
  }

  void check_position(const AttentionQuery& query) const {
    const auto tokens = static_cast<std::int64_t>(source_.tokens.size());
    if (query.position && (*query.position < 0 || *query.position >= tokens)) {
      throw usage_error("QUERY", "query position",
                        fmt::format("the input has {} tokens: expected 0 to {}, found {}", tokens, tokens - 1,
                                    *query.position));
    }
  }

  // What the decoder reads, and what it writes at each step.
  void read_target() {
    if (!encodes_first()) {
      decoder_ids_ = source_.ids();
      if (!request_.target) return;
      const TokenizedText more = tokenize_input(tokenizer_, *request_.target, {.add_special_tokens = false});
      const std::vector<std::int32_t> ids = more.ids();
      decoder_ids_.insert(decoder_ids_.end(), ids.begin(), ids.end());
      source_ = describe_ids(tokenizer_, decoder_ids_);
      return;
    }
    const GenerationConfig config = request_.generation.value_or(environment_.def.generation);
    const std::optional<std::int32_t> start =
        config.decoder_start_token_id ? config.decoder_start_token_id : config.bos_token_id;
    if (!start) {
      throw Error("GEN_START_MISSING", "decoder_start_token_id",
                  "the checkpoint names neither decoder_start_token_id nor bos_token_id: there is nothing to "
                  "start from");
    }
    decoder_ids_ = {*start};
    if (own_vectors()) return;
    if (request_.query || request_.target) {
      const Input text{.text = request_.query ? *request_.query->text : ""};
      target_ = tokenize_input(tokenizer_, request_.query ? text : *request_.target, {.as_target = true});
    } else {
      generate(config);
    }
    if (target_.tokens.empty())
      throw Error("TARGET_EMPTY", "target", "the decoder generated nothing to show");
    result_.output_ids = target_.ids();
    decoder_ids_.insert(decoder_ids_.end(), result_.output_ids.begin(), result_.output_ids.end() - 1);
  }

  void generate(const GenerationConfig& config) {
    Request request;
    request.input = request_.input;
    request.generation = config;
    request.head_scales = request_.head_scales;
    for (HeadScale& scale : request.head_scales) {
      if (!scale.kind) scale.kind = request_.kind;
    }
    Ticket ticket = environment_.submit(std::move(request));
    const std::stop_callback on_stop(request_.stop, [&] { ticket.cancel(); });
    Result generated = ticket.wait();
    if (generated.error) throw *generated.error;
    target_ = describe_ids(tokenizer_, generated.sequences.front().output_ids);
    result_.score = generated.sequences.front().score;
  }

  ScheduledRequest scheduled(const TokenizedText& input) const {
    ScheduledRequest request;
    request.mode = table_.in_encoder() ? ScheduledRequest::Mode::encode : ScheduledRequest::Mode::observe;
    request.input_ids = input.ids();
    if (environment_.def.token_types > 0) request.token_types = input.type_ids;
    request.decoder_ids =
        encodes_first() && !table_.in_encoder() ? decoder_ids_ : std::vector<std::int32_t>();
    add_head_scales(environment_.def, request_.head_scales, request_.kind, request);
    return request;
  }

  RequestHooks& hooks(ScheduledRequest& request) const {
    return table_.in_encoder() ? request.encoder_hooks : request.decoder_hooks;
  }

  void wait_for(ScheduledRequest request) const {
    const auto promise = std::make_shared<std::promise<std::optional<Error>>>();
    std::future<std::optional<Error>> done = promise->get_future();
    request.on_done = [promise](Outcome outcome) { promise->set_value(std::move(outcome.error)); };
    const auto cancelled = request.cancelled;
    const std::stop_callback on_stop(request_.stop, [&] {
      cancelled->store(true);
      environment_.scheduler.wake();
    });
    environment_.scheduler.submit(std::move(request));
    if (const std::optional<Error> error = done.get()) throw *error;
  }

  // An empty map of the layer's chosen heads.
  void add_map(std::int64_t layer, std::int64_t queries, std::int64_t keys) {
    AttentionMap map{
        .layer = layer, .heads = table_.heads(layer, request_.heads), .weights = {}, .values = {}};
    const auto heads = static_cast<std::int64_t>(map.heads.size());
    map.weights = Tensor::zeros(DType::f32, {heads, queries, keys});
    result_.maps.push_back(std::move(map));
  }

  // Fills heads [index, index + heads) of the map, whose numbers follow one another.
  static AttentionWeightsSink sink(AttentionMap& map, std::size_t index, std::size_t heads) {
    const Shape& shape = map.weights.shape();
    const std::int64_t size = shape[1] * shape[2];
    return {.rows = static_cast<std::int32_t>(shape[1]),
            .first_head = map.heads[index],
            .heads = static_cast<std::int64_t>(heads),
            .weights = map.weights.f32().data() + static_cast<std::int64_t>(index) * size,
            .row_stride = shape[2],
            .head_stride = size};
  }

  void observe_rows() {
    const bool cross = table_.kind() == AttentionKind::cross;
    const std::size_t queries = table_.in_encoder() ? source_.tokens.size() : decoder_ids_.size();
    const std::size_t keys = cross ? source_.tokens.size() : queries;
    check_memory(table_, request_, queries, keys);
    ScheduledRequest request = scheduled(source_);
    for (const std::int64_t layer : table_.layers(request_.layers))
      add_map(layer, static_cast<std::int64_t>(queries), static_cast<std::int64_t>(keys));
    for (AttentionMap& map : result_.maps) {
      for (std::size_t i = 0; i < map.heads.size();) {
        std::size_t n = 1;
        while (i + n < map.heads.size() && map.heads[i + n] == map.heads[i] + static_cast<std::int64_t>(n))
          ++n;
        hooks(request).probes.push_back({.node = table_.node(map.layer), .weights = sink(map, i, n)});
        i += n;
      }
    }
    wait_for(std::move(request));
    label_rows(cross);
  }

  void label_rows(bool cross) {
    if (table_.in_encoder() || !encodes_first()) {
      result_.queries = result_.keys = source_.tokens;
      result_.query_text = result_.key_text = source_.text;
      return;
    }
    result_.queries = target_.tokens;
    result_.query_text = target_.text;
    if (cross) {
      result_.keys = source_.tokens;
      result_.key_text = source_.text;
      return;
    }
    result_.keys = describe_ids(tokenizer_, {decoder_ids_.data(), 1}).tokens;
    result_.keys.front().special = true;
    result_.keys.insert(result_.keys.end(), target_.tokens.begin(), target_.tokens.end() - 1);
    result_.key_text = target_.text;
  }

  // The hidden states of the query's text at each layer ask.
  void observe_text() {
    const TokenizedText text = tokenize_input(tokenizer_, {.text = *request_.query->text});
    std::vector<Tensor> states;
    ScheduledRequest request = scheduled(text);
    const auto rows = static_cast<std::int64_t>(text.tokens.size());
    for (const std::int64_t layer : table_.layers(request_.layers)) {
      states.push_back(Tensor::zeros(DType::f32, {rows, table_.width(layer)}));
      hooks(request).probes.push_back(
          {.node = table_.node(layer), .weights = {}, .inputs = states.back().f32().data()});
    }
    wait_for(std::move(request));
    ask(states, false);
    result_.queries = text.tokens;
    result_.query_text = text.text;
  }

  void observe_vectors() {
    const Tensor& given = request_.query->vectors;
    const int rank = given.shape().rank();
    const std::int64_t width = rank == 0 ? 0 : given.shape()[rank - 1];
    const std::int64_t count = rank == 2 ? given.shape()[0] : 1;
    const std::vector<std::int64_t> layers = table_.layers(request_.layers);
    const Attention& attributes = table_.attributes(layers.front());
    const bool states = width == table_.width(layers.front());
    const bool of_head = width == attributes.head_dim && request_.heads.size() == 1;
    if (rank < 1 || rank > 2 || count < 1 || (!states && !of_head)) {
      throw usage_error(
          "QUERY_SHAPE", "query",
          fmt::format("expected hidden states [N, {}], or with a single head its queries [N, {}]; "
                      "found {}",
                      table_.width(layers.front()), attributes.head_dim, given.shape().str()));
    }
    std::vector<Tensor> queries;
    for (const std::int64_t layer : layers) {
      if (states) {
        queries.push_back(given.reshaped({count, width}));
        continue;
      }
      // Its place among the heads; the others' queries are not asked for.
      Tensor placed = Tensor::zeros(DType::f32, {count, attributes.heads * width});
      const std::int64_t head = table_.heads(layer, request_.heads).front();
      for (std::int64_t n = 0; n < count; ++n) {
        std::copy_n(given.f32().data() + n * width, width,
                    placed.f32().data() + n * attributes.heads * width + head * width);
      }
      queries.push_back(std::move(placed));
    }
    ask(queries, !states);
  }

  // Attends from rows of one's own, a tensor for each layer; fills weights and values.
  void ask(const std::vector<Tensor>& queries, bool projected) {
    ScheduledRequest request = scheduled(source_);
    const auto keys = static_cast<std::int64_t>(source_.tokens.size());
    const std::vector<std::int64_t> layers = table_.layers(request_.layers);
    const std::int64_t count = queries.front().shape()[0];
    // All heads answer; those asked for are picked afterwards.
    std::vector<AttentionMap> whole;
    std::vector<Tensor> values;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Attention& attributes = table_.attributes(layers[i]);
      whole.push_back({.layer = layers[i],
                       .heads = table_.heads(layers[i], {}),
                       .weights = Tensor::zeros(DType::f32, {attributes.heads, count, keys}),
                       .values = {}});
      values.push_back(Tensor::zeros(DType::f32, {count, attributes.heads * attributes.head_dim}));
      hooks(request).queries.push_back(
          {.node = table_.node(layers[i]),
           .count = static_cast<std::int32_t>(count),
           .states = queries[i].f32().data(),
           .projected = projected,
           .position = static_cast<std::int32_t>(
               table_.kind() == AttentionKind::cross ? 0 : request_.query->position.value_or(keys - 1)),
           .weights = sink(whole.back(), 0, whole.back().heads.size()),
           .values = values.back().f32().data()});
    }
    wait_for(std::move(request));
    for (std::size_t i = 0; i < layers.size(); ++i) pick_heads(whole[i], values[i], count, keys);
    result_.keys = source_.tokens;
    result_.key_text = source_.text;
  }

  void pick_heads(const AttentionMap& whole, const Tensor& values, std::int64_t count, std::int64_t keys) {
    const Attention& attributes = table_.attributes(whole.layer);
    add_map(whole.layer, count, keys);
    AttentionMap& map = result_.maps.back();
    const std::int64_t width = attributes.head_dim;
    map.values = Tensor::zeros(DType::f32, {static_cast<std::int64_t>(map.heads.size()), count, width});
    for (std::size_t h = 0; h < map.heads.size(); ++h) {
      const auto to = static_cast<std::int64_t>(h);
      std::copy_n(whole.weights.f32().data() + map.heads[h] * count * keys, count * keys,
                  map.weights.f32().data() + to * count * keys);
      for (std::int64_t n = 0; n < count; ++n) {
        std::copy_n(values.f32().data() + (n * attributes.heads + map.heads[h]) * width, width,
                    map.values.f32().data() + (to * count + n) * width);
      }
    }
  }

  const AttentionEnvironment& environment_;
  const AttentionRequest& request_;
  const Tokenizer* tokenizer_;
  LayerTable table_;
  TokenizedText source_, target_;
  std::vector<std::int32_t> decoder_ids_;
  AttentionResult result_;
};

}  // namespace

AttentionResult observe_attention(const AttentionEnvironment& environment, const AttentionRequest& request) {
  return Observation(environment, request).run();
}

}  // namespace attend
