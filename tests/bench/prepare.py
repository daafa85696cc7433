"""Makes checkpoints of random weights and the peers' forms of them: prepare.py STEP MODELS; called by prepare.sh.

Speed does not depend on the values, so that a checkpoint of random weights is as good as a published one. The
steps `checkpoints`, `onnx` and `gguf` run in the environment of CTranslate2 and onnxruntime, `openvino` in
OpenVINO's. What is there already is kept, also Hugging Face directories that were put in its place.
"""
import json
import pathlib
import sys


def checkpoints(models):
    for make in (marian, bert, llama):
        folder = models / make.__name__
        if not (folder / "config.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            make(folder)


def marian(folder):
    """The shape of OPUS-MT: 6 + 6 layers, width 512, 58,101 words. Its sentences are Python's own help texts."""
    import re
    import shutil
    from pydoc_data.topics import topics

    import sentencepiece
    import torch
    import transformers

    text = re.sub(r"\s+", " ", " ".join(topics.values()))
    sentences = [s for s in re.split(r"(?<=[.!?]) ", text) if 60 < len(s) < 130]
    (folder / "corpus.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(input=str(folder / "corpus.txt"), model_prefix=str(folder / "source"),
                                             vocab_size=8000, hard_vocab_limit=False, minloglevel=2)
    (folder / "source.model").rename(folder / "source.spm")
    (folder / "source.vocab").unlink()
    shutil.copy(folder / "source.spm", folder / "target.spm")
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    words = 58101
    names = ["</s>", "<unk>", *(model.id_to_piece(i) for i in range(3, len(model)))]
    names += [f"unused{i}" for i in range(len(names), words - 1)] + ["<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "MarianTokenizer"}))
    torch.manual_seed(0)
    config = transformers.MarianConfig(
        vocab_size=words, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, activation_function="swish",
        scale_embedding=True, max_position_embeddings=512, eos_token_id=0, pad_token_id=words - 1,
        decoder_start_token_id=words - 1, tie_word_embeddings=True)
    transformers.MarianMTModel(config).save_pretrained(folder)


def bert(folder):
    import torch
    import transformers

    torch.manual_seed(0)
    transformers.BertForSequenceClassification(transformers.BertConfig()).save_pretrained(folder)


def llama(folder):
    """The widths of Qwen2.5 0.5B as a Llama of 0.39 billion parameters, in bf16, with a word for every id."""
    import tokenizers
    import torch
    import transformers

    words = 32000
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=words, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
        num_key_value_heads=2, max_position_embeddings=4096, tie_word_embeddings=True, rms_norm_eps=1e-5)
    transformers.LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, words)}}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(special))


def onnx(models):
    """bert-ort: the graph fused by onnxruntime's own optimizer, and that one quantized dynamically."""
    import torch
    import transformers
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    folder = models / "bert-ort"
    folder.mkdir(exist_ok=True)
    if not (folder / "model.onnx").exists():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(models / "bert", attn_implementation="eager")
        names = ["input_ids", "attention_mask", "token_type_ids"]
        ones = torch.ones(2, 16, dtype=torch.long)
        model.config.return_dict = False
        torch.onnx.export(model.eval(), (ones, ones, torch.zeros_like(ones)), folder / "traced.onnx", dynamo=False,
                          opset_version=17, input_names=names, output_names=["logits"],
                          dynamic_axes={name: {0: "texts", 1: "tokens"} for name in names})
        config = model.config
        fused = optimizer.optimize_model(str(folder / "traced.onnx"), model_type="bert",
                                         num_heads=config.num_attention_heads, hidden_size=config.hidden_size)
        fused.save_model_to_file(str(folder / "model.onnx"))
        (folder / "traced.onnx").unlink()
    if not (folder / "model-int8.onnx").exists():
        quantize_dynamic(folder / "model.onnx", folder / "model-int8.onnx", weight_type=QuantType.QInt8,
                         extra_options={"DefaultTensorType": 1})


def openvino(models):
    """bert-ov: the exported model, quantized statically after a few texts of random ids."""
    import nncf
    import numpy
    import openvino as ov

    source, quantized = models / "bert-ov" / "openvino_model.xml", models / "bert-ov" / "openvino_model_int8.xml"
    if quantized.exists():
        return
    model = ov.Core().read_model(source)
    random = numpy.random.default_rng(1)
    values = {"input_ids": lambda: random.integers(1000, 30000, (1, 128)),
              "attention_mask": lambda: numpy.ones((1, 128), dtype=numpy.int64),
              "token_type_ids": lambda: numpy.zeros((1, 128), dtype=numpy.int64)}
    names = [i.get_any_name() for i in model.inputs]
    texts = [{name: values[name]() for name in names} for _ in range(8)]
    ov.save_model(nncf.quantize(model, nncf.Dataset(texts), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts)),
                  quantized, compress_to_fp16=False)


def gguf(models):
    """llama-f16, -bf16 and -Q8_0.gguf: no vocabulary, llama-bench feeds random ids. Norms stay f32."""
    import gguf as format
    import safetensors.torch

    config = json.loads((models / "llama" / "config.json").read_text())
    weights = safetensors.torch.load_file(models / "llama" / "model.safetensors")
    places = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
              "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}

    def name(tensor):
        if tensor in ("model.embed_tokens.weight", "model.norm.weight"):
            return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[tensor]
        _, _, layer, *place, _ = tensor.split(".")
        return f"blk.{layer}.{places['.'.join(place)]}.weight"

    types = format.GGMLQuantizationType
    for suffix, kind, file_type in (("f16", types.F16, 1), ("bf16", types.BF16, 32), ("Q8_0", types.Q8_0, 7)):
        path = models / f"llama-{suffix}.gguf"
        if path.exists():
            continue
        writer = format.GGUFWriter(path, "llama")
        write_llama_keys(writer, config, file_type)
        for tensor, value in weights.items():
            values = value.float().numpy()
            if values.ndim == 1:
                writer.add_tensor(name(tensor), values)
            else:
                writer.add_tensor(name(tensor), format.quants.quantize(values, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def write_llama_keys(writer, config, file_type):
    writer.add_file_type(file_type)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])


if __name__ == "__main__":
    steps = {"checkpoints": checkpoints, "onnx": onnx, "openvino": openvino, "gguf": gguf}
    if len(sys.argv) != 3 or sys.argv[1] not in steps:
        sys.exit(f"prepare.py {'|'.join(steps)} MODELS")
    steps[sys.argv[1]](pathlib.Path(sys.argv[2]))
