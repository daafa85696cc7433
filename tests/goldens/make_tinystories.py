"""Records what transformers writes with ../shared/models/llama-tinystories-656k: tinystories.json.

python tests/goldens/make_tinystories.py [DIRECTORY OF THE MODEL]
"""

import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from common import HERE, write_json

TEXTS = ["Once upon a time", "Lily found a red ball", "The"]  # the first ends by itself, in ids and in words
NEW_TOKENS = 200


@torch.no_grad()
def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else HERE.parents[2] / "shared/models/llama-tinystories-656k"
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    cases = []
    for text in TEXTS:
        inputs = tokenizer(text, return_tensors="pt")
        length = inputs["input_ids"].shape[1]
        ids = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)[0]
        logprobs = torch.log_softmax(model(ids[None]).logits[0].double(), -1)
        scores = logprobs[:-1].gather(1, ids[1:, None])[:, 0]
        cases.append(
            {
                "text": text,
                "input_ids": ids[:length].tolist(),
                "output_ids": ids[length:].tolist(),
                "generated_text": tokenizer.decode(ids, skip_special_tokens=True),
                "score": round(scores.sum().item(), 4),  # of prompt and continuation
                "perplexity": round(torch.exp(-scores.mean()).item(), 5),
            }
        )
    meta = {
        "maker": "make_tinystories.py",
        "transformers": transformers.__version__,
        "torch": torch.__version__.split("+")[0],
    }
    write_json(HERE / "tinystories.json", meta | {"max_new_tokens": NEW_TOKENS, "cases": cases})


main()
