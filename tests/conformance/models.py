"""Model folders against transformers, both ways. models.py FOLDER: a scratch folder; the tools are on PATH.

Each variant of a checkpoint that transformers can save is read by train-step, which writes it anew after one step at a
learning rate of 0. What transformers then loads must equal what it loads from the variant itself, bit for bit, and
model-info must count as it does. Prints TAP."""
import json
import os
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import pyarrow as pa
import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertForPreTraining,
                          BertModel, DistilBertConfig, DistilBertForMaskedLM, DistilBertModel, logging)

logging.set_verbosity_error()
logging.disable_progress_bar()
scratch = sys.argv[1]
torch.set_num_threads(1)
count = 0


def ok(name, passed, *why):
    global count
    count += 1
    print("ok" if passed else "not ok", count, "-", name, flush=True)
    for line in () if passed else why:
        print("#", line)


def bert_config(**changes):
    return BertConfig(**dict(vocab_size=80, hidden_size=12, num_attention_heads=2, num_hidden_layers=2,
                             intermediate_size=20, max_position_embeddings=16, **changes))


def distilbert_config(**changes):
    return DistilBertConfig(**dict(vocab_size=80, dim=12, n_heads=2, n_layers=2, hidden_dim=20,
                                   max_position_embeddings=16, **changes))


def random_model(model_class, config):
    """Every parameter random, biases and norms too."""
    model = model_class(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def rewrite(folder, change, metadata={"format": "pt"}):
    path = folder + "/model.safetensors"
    tensors = change(load_file(path))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)


def old_names(tensors):
    return {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in tensors.items()}


def without_prefix(tensors):
    """Also with what old releases saved beside the parameters."""
    bare = {name.removeprefix("bert.").removeprefix("distilbert."): tensor for name, tensor in tensors.items()}
    return bare | {"embeddings.position_ids": torch.arange(16).unsqueeze(0)}


def with_decoder(source, change):
    """The decoder weight in the file: a copy of the embeddings, changed or not."""
    def apply(tensors):
        embeddings = next(name for name in tensors if name.endswith("word_embeddings.weight"))
        decoder = {"bert": "cls.predictions.decoder.weight", "distilbert": "vocab_projector.weight"}[source]
        return tensors | {decoder: change(tensors[embeddings])}
    return apply


def decoder_only(source):
    def apply(tensors):
        tensors = with_decoder(source, torch.clone)(tensors)
        return {name: tensor for name, tensor in tensors.items() if not name.endswith("word_embeddings.weight")}
    return apply


def save(folder, model, change=None, **options):
    model.save_pretrained(folder, **options)
    if change:
        rewrite(folder, change)


def variants():
    for source, config, masked, base in (("bert", bert_config, BertForMaskedLM, BertModel),
                                         ("distilbert", distilbert_config, DistilBertForMaskedLM, DistilBertModel)):
        model = random_model(masked, config())
        for name, change in (("plain", None), ("gamma and beta", old_names), ("no prefix", without_prefix),
                             ("decoder copied", with_decoder(source, torch.clone)),
                             ("decoder apart in a tied file", with_decoder(source, lambda tensor: tensor + 1)),
                             ("decoder alone", decoder_only(source))):
            folder = f"{scratch}/{source} {name}"
            save(folder, model, change)
            yield folder
        folder = f"{scratch}/{source} sharded"
        save(folder, model, max_shard_size="6KB")
        assert os.path.exists(folder + "/model.safetensors.index.json")
        yield folder
        for dtype in (torch.bfloat16, torch.float16):
            folder = f"{scratch}/{source} {dtype}"
            save(folder, random_model(masked, config()).to(dtype))
            yield folder
        folder = f"{scratch}/{source} untied"
        save(folder, random_model(masked, config(tie_word_embeddings=False)))
        yield folder
        folder = f"{scratch}/{source} without head"
        save(folder, random_model(base, config()))
        yield folder
    folder = f"{scratch}/bert for pre-training"
    save(folder, random_model(BertForPreTraining, bert_config()))
    yield folder


def masked_stream():
    schema = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write(pa.record_batch([[[2, 5, 7, 3]], [[-100, 6, -100, -100]]], schema=schema))
    return sink.getvalue().to_pybytes()


stream = masked_stream()


def read_and_write(folder):
    """The folder as cloze read it, written by cloze."""
    out = folder + " again"
    subprocess.run(["train-step", "--model", folder, "--out", out, "--lr", "0", "--max-steps", "1"], input=stream,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    return out


def same(one, other):
    """Names of the tensors that differ."""
    return sorted(name for name in one.keys() | other.keys()
                  if name not in one or name not in other or not torch.equal(one[name], other[name]))


def model_info(folder):
    return json.loads(subprocess.run(["model-info", "--json", folder], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, check=True).stdout)


def check_variant(folder):
    name = os.path.basename(folder)
    expected = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32).eval()
    out = read_and_write(folder)
    found, loading = AutoModelForMaskedLM.from_pretrained(out, output_loading_info=True)
    problems = {key: value for key, value in loading.items() if value}
    ok(f"{name}: transformers finds every tensor and no other", not problems, problems)
    new = {p["name"] for p in model_info(folder)["parameters"] if p["initialized"]}
    differing = [key for key in same(expected.state_dict(), found.state_dict()) if key not in new]
    ids = torch.tensor([[2, 5, 7, 3, 70]])
    if "without head" in name:
        head = ("cls.", "vocab_")
        ok(f"{name}: the encoder is equal, the head new", not [key for key in differing if not key.startswith(head)]
           and new and all(key.startswith(head) for key in new), differing, new)
    else:
        # an untied BERT has a second output bias, which nothing reads: cloze writes what is read under both names
        unread = {"cls.predictions.bias"} if name.startswith("bert") and not found.config.tie_word_embeddings else set()
        logits = expected(ids).logits, found.eval()(ids).logits
        ok(f"{name}: every tensor is equal", not set(differing) - unread and not new, differing, new)
        ok(f"{name}: the logits are equal", torch.equal(*logits))
    ok(f"{name}: model-info counts {expected.num_parameters()} numbers",
       model_info(folder)["total"] == expected.num_parameters(), model_info(folder)["total"])


def check_init(source, config):
    """model-init: shapes, moments and the special cases of transformers' own initialization."""
    folder, config_file, vocab = f"{scratch}/init-{source}", f"{scratch}/{source}.json", f"{scratch}/vocab.txt"
    with open(vocab, "w") as file:
        file.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "##s"] +
                             [f"word{i}" for i in range(1992)]) + "\n")
    with open(config_file, "w") as file:
        json.dump(config.to_dict() | {"vocab_size": 2000}, file)
    subprocess.run(["model-init", "--config", config_file, "--vocab", vocab, "--seed", "3", "--out", folder], check=True)
    model, loading = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    ok(f"model-init {source}: transformers finds every tensor", not any(loading.values()), loading)
    weights = {name: p.detach() for name, p in model.named_parameters()}
    wrong = [name for name, p in weights.items() if p.dim() == 1 and not torch.equal(
        p, torch.ones_like(p) if "norm" in name.lower() and name.endswith("weight") else torch.zeros_like(p))]
    ok(f"model-init {source}: norms are 1 and 0, biases 0", not wrong, wrong)
    words = weights[f"{source}.embeddings.word_embeddings.weight"]
    ok(f"model-init {source}: the padding token's embedding is 0, no other", not words[0].any() and words[1:].any(1).all())
    everything = torch.cat([p[p != 0].flatten() for p in weights.values() if p.dim() == 2]).double() / 0.02
    n = len(everything)
    ok(f"model-init {source}: weights are N(0, 0.02^2)", abs(everything.mean()) < 5 / n ** 0.5
       and abs((everything ** 2).mean() - 1) < 5 * (2 / n) ** 0.5
       and abs((everything ** 4).mean() - 3) < 5 * (96 / n) ** 0.5, everything.mean(), everything.std())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ok(f"model-init {source}: AutoTokenizer loads the folder", tokenizer("A film's [MASK]").input_ids[:3] == [2, 5, 6]
       and tokenizer.mask_token_id == 4 and len(tokenizer) == 2000, tokenizer("A film's [MASK]"))


torch.manual_seed(0)
for variant in variants():
    try:
        check_variant(variant)
    except subprocess.CalledProcessError as error:
        ok(os.path.basename(variant), False, error, (error.stderr or b"").decode())
check_init("bert", bert_config())
check_init("distilbert", distilbert_config())
print(f"1..{count}")
