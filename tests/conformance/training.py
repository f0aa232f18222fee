# What train-step, perplexity and fill-mask do, held against torch and transformers: training.py SHARED SCRATCH.
#
# SHARED/golden, where it is, holds runs of the reference. SCRATCH holds what train-step made of the fixtures
# distilbert and bert. Says what differs and exits 1, or says nothing.
import glob
import json
import os
import shutil
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, logging, pipeline

logging.set_verbosity_error()
logging.disable_progress_bar()
shared, scratch = sys.argv[1:3]
fixtures = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "train")
sys.path.insert(0, fixtures)
sys.dont_write_bytecode = True
import make

torch.set_num_threads(1)
failed = False


def close(what, got, expected, tolerance=1e-4):
    global failed
    if not (got == expected or expected != 0 and abs(got / expected - 1) <= tolerance):
        print(f"{what}: {got}, the reference {expected}")
        failed = True


def run(*command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def stream(path):
    data = subprocess.run(["gzip", "-dcf", path], stdout=subprocess.PIPE, check=True).stdout
    return run("rec-load", "--type", "masked", data=data)


def loaded(rows):
    return run("rec-load", "--type", "masked", data="".join(json.dumps(row) + "\n" for row in rows).encode())


def metrics(model, out, data, *options):
    lines = run("train-step", "--model", model, "--out", out, "--force", "--dropout", "0", *options, data=data)
    return [json.loads(line) for line in lines.splitlines()]


def compare_run(what, got, losses, norms):
    close(f"{what}: steps", len(got), len(losses), 0)
    for step, loss, norm in zip(got, losses, norms):
        close(f"{what}: loss of step {step['step']}", step["loss"], loss)
        close(f"{what}: grad_norm of step {step['step']}", step["grad_norm"], norm)


def compare_perplexity(what, model, data, expected):
    got = json.loads(run("perplexity", "--model", model, "--json", data=data))
    for ours, theirs in (("loss", "token_loss"), ("perplexity", "token_perplexity"), ("masked_tokens", "tokens"),
                         ("batch_mean_loss", "batch_loss"), ("batch_mean_perplexity", "batch_perplexity")):
        close(f"{what}: {ours}", got[ours], expected[theirs])


def goldens():
    for path in sorted(glob.glob(os.path.join(shared, "golden", "*-tiny", "expected.json"))):
        folder, expected = os.path.dirname(path), json.load(open(path))
        name, o = os.path.basename(folder), expected["options"]
        held, out = stream(folder + "/eval.jsonl.gz"), os.path.join(scratch, "golden")
        compare_perplexity(name + " before", folder, held, expected["before"])
        got = metrics(folder, out, stream(folder + "/train.jsonl.gz"), "--lr", str(o["lr"]), "--weight-decay",
                      str(o["weight_decay"]), "--lr-scheduler-type", o["schedule"], "--warmup-steps",
                      str(o["warmup_steps"]), "--max-grad-norm", str(o["max_grad_norm"]), "--batch-size",
                      str(o["batch_size"]), "--max-steps", str(o["steps"]))
        compare_run(name, got, expected["loss"], expected["grad_norm"])
        compare_perplexity(name + " after", out, held, expected["after"])


def group_goldens():
    """Rates by group, groups that thaw one after the other, the slanted triangle (TRANSFER.md, set C)."""
    for path in sorted(glob.glob(os.path.join(shared, "golden", "mlm-groups-*", "expected.json"))):
        folder, expected = os.path.dirname(path), json.load(open(path))
        name, o = os.path.basename(folder), expected["options"]
        held, out = stream(folder + "/eval.jsonl.gz"), os.path.join(scratch, "groups")
        got = metrics(folder, out, stream(folder + "/train.jsonl.gz"), "--lr", str(o["lr"]), "--weight-decay",
                      str(o["weight_decay"]), "--lr-scheduler-type", o["schedule"], "--cut-fraction", str(o["cut_frac"]),
                      "--ratio", str(o["ratio"]), "--max-grad-norm", str(o["max_grad_norm"]), "--batch-size",
                      str(o["batch"]), "--max-steps", str(o["steps"]),
                      "--layer-lr-decay", str(o["decay"]), "--unfreeze-every", str(o["unfreeze"]))
        compare_run(name, got, expected["loss"], expected["grad_norm"])
        for step, rates in zip(got, expected["learning_rate"]):
            close(f"{name}: groups of step {step['step']}", len(step["learning_rates"]), len(rates), 0)
            for group, rate in zip(step["learning_rates"].items(), rates):
                close(f"{name}: rate of {group[0]} in step {step['step']}", group[1], rate, 1e-8)
        compare_perplexity(name + " after", out, held, expected["after"])


def activations():
    """The fixtures' own activations are gelu and gelu_new."""
    options = ("--lr", str(make.LR), "--batch-size", str(make.BATCH), "--warmup-steps", str(make.WARMUP),
               "--lr-scheduler-type", "cosine", "--max-steps", str(-(-make.RECORDS // make.BATCH)))
    for family, key, name in (("bert", "hidden_act", "relu"), ("distilbert", "activation", "silu"),
                              ("bert", "hidden_act", "quick_gelu"), ("distilbert", "activation", "mish"),
                              ("bert", "hidden_act", "gelu_fast")):
        folder, out = os.path.join(scratch, name), os.path.join(scratch, name + "-out")
        shutil.copytree(os.path.join(fixtures, family), folder)
        config = json.load(open(folder + "/config.json"))
        config[key] = name
        json.dump(config, open(folder + "/config.json", "w"))
        model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").train()
        if family == "bert":
            model.cls.predictions.decoder.bias = model.cls.predictions.bias  # saved under this name only
        losses, norms = zip(*make.train(model, make.records(5)))
        compare_run(name, metrics(folder, out, loaded(make.records(5)), *options), losses, norms)


def variant_of(family, tied, folder):
    """A fixture's model with its decoder tied to the embeddings or apart from them."""
    torch.manual_seed(3)
    model = AutoModelForMaskedLM.from_pretrained(os.path.join(fixtures, family), attn_implementation="eager",
                                                 tie_word_embeddings=tied).train()
    embeddings = model.get_input_embeddings().weight
    apart = torch.nn.Parameter(0.1 * torch.randn_like(embeddings))
    model.get_output_embeddings().weight = embeddings if tied else apart
    if family == "bert":
        model.cls.predictions.bias = model.cls.predictions.decoder.bias  # two names for one tensor
    model.save_pretrained(folder)
    return model


def masked_records():
    """Of unequal lengths, both token types in each, their attention masks with holes; some of a batch, and all of
    another, without labels."""
    generator = torch.Generator().manual_seed(8)
    rows = make.records(6)
    for row in rows:
        row["attention_mask"] = (torch.rand(len(row["labels"]), generator=generator) < 0.8).long().tolist()
        row["attention_mask"][0] = 1
        row["token_type_ids"] = torch.randint(0, 2, (len(row["labels"]),), generator=generator).tolist()
    for i in (1, *range(2 * make.BATCH, 3 * make.BATCH)):
        rows[i]["labels"] = [-100] * len(rows[i]["labels"])
    return rows


def rectangles(rows, size):
    """make.batches() with the records' own attention masks and token types."""
    for first, (ids, mask, labels) in enumerate(make.batches(rows, size)):
        types = torch.zeros_like(ids)
        for i, row in enumerate(rows[first * size:(first + 1) * size]):
            mask[i, :len(row["attention_mask"])] = torch.tensor(row["attention_mask"])
            types[i, :len(row["token_type_ids"])] = torch.tensor(row["token_type_ids"])
        yield ids, mask, types, labels


def loss_of(model, ids, mask, types, labels):
    """A DistilBERT has no token types: the Trainer drops their column."""
    more = {"token_type_ids": types} if model.config.model_type == "bert" else {}
    return model(input_ids=ids, attention_mask=mask, labels=labels, **more).loss


def accumulated(model, rows, passes, mean_of_means):
    """The loss and gradient norm of each step of so many batches; batches without labels have neither."""
    optimizer, parts = torch.optim.AdamW(model.parameters(), lr=make.LR, weight_decay=0), list(rectangles(rows, make.BATCH))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for first in range(0, len(parts), passes):
        counts = [int((labels >= 0).sum()) for *_, labels in parts[first:first + passes]]
        total = 0.0
        for count, part in zip(counts, parts[first:]):
            if count > 0:
                loss = loss_of(model, *part)
                loss = loss / passes if mean_of_means else loss * count / sum(counts)
                loss.backward()
                total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        yield total, norm.item()


def gradients():
    """Of every tensor, all records in one batch. Where beta1 is 0, a checkpoint has them for the mean of gradients."""
    rows = masked_records()
    data, whole = loaded(rows), str(len(rows))
    for family in ("bert", "distilbert"):
        for tied in (True, False):
            name = f"gradients of {family} {'tied' if tied else 'untied'}"
            folder = os.path.join(scratch, name)
            model = variant_of(family, tied, folder)
            loss = loss_of(model, *next(rectangles(rows, len(rows))))
            loss.backward()
            metrics(folder, folder + "-out", data, "--batch-size", whole, "--save-steps", "1", "--adam-beta1", "0",
                    "--max-grad-norm", "0", "--lr-scheduler-type", "constant")
            ours = load_file(folder + "-out/checkpoint-1/optimizer.safetensors")
            total = sum(p.grad.square().sum() for p in model.parameters() if p.grad is not None).sqrt()
            for tensor, parameter in model.named_parameters():
                got, expected = ours["exp_avg." + tensor], parameter.grad
                if not (got - expected).norm() <= 1e-5 * expected.norm() + 1e-7 * total:
                    close(f"{name}: {tensor}: norm of the difference", (got - expected).norm().item(), 0)
            for size in ("7", whole):
                got = json.loads(run("perplexity", "--model", folder, "--batch-size", size, "--json", data=data))
                close(f"{name}: loss of perplexity --batch-size {size}", got["loss"], loss.item(), 1e-5)


def inputs_and_accumulation():
    rows = masked_records()
    data = loaded(rows)
    options = ["--lr", str(make.LR), "--weight-decay", "0", "--lr-scheduler-type", "constant",
               "--batch-size", str(make.BATCH)]
    for family in ("bert", "distilbert"):
        for tied in (True, False):
            for passes, mean_of_means in ((1, False), (4, False), (4, True)):
                name = f"{family} {'tied' if tied else 'untied'} {passes}{' mean of means' if mean_of_means else ''}"
                folder = os.path.join(scratch, name)
                losses, norms = zip(*accumulated(variant_of(family, tied, folder), rows, passes, mean_of_means))
                more = ["--gradient-accumulation-steps", str(passes)] + ["--reference-accumulation"] * mean_of_means
                compare_run(name, metrics(folder, folder + "-out", data, *options, *more), losses, norms)


def loads_in_transformers():
    for family in ("distilbert", "bert"):
        folder = os.path.join(scratch, family)
        ours = json.loads(run("perplexity", "--model", folder, "--json",
                              data=stream(os.path.join(fixtures, family, "eval.jsonl"))))
        loss, batch_mean = make.losses(AutoModelForMaskedLM.from_pretrained(folder), make.records(2))
        close(f"{family} in transformers: loss", ours["loss"], loss, 1e-5)
        close(f"{family} in transformers: batch mean", ours["batch_mean_loss"], batch_mean, 1e-5)


def fills_as_the_pipeline():
    folder = os.path.join(scratch, "distilbert")
    fill = pipeline("fill-mask", model=folder, device="cpu", top_k=7)
    lines = make.LINES + ["[MASK]", "a [MASK] of the movie [MASK] was ##ly [MASK]?"]
    text = "".join(line + "\n" for line in lines).encode()
    answers = run("fill-mask", "--model", folder, "--top-k", "7", "--json", data=text).splitlines()
    close("fill-mask: lines", len(answers), len(lines), 0)
    for line, answer in zip(lines, answers):
        ours, theirs = json.loads(answer), fill(line)
        if isinstance(theirs[0], dict):
            ours, theirs = [ours], [theirs]
        for got, expected in zip(sum(ours, []), sum(theirs, []), strict=True):
            close(f"fill-mask: {line}: score", got["score"], expected["score"])
            for key in ("token", "token_str", "sequence"):
                if got[key] != expected[key]:
                    close(f"fill-mask: {line}: {key}: {got[key]!r}, {expected[key]!r}", 0, 1)


goldens()
group_goldens()
activations()
gradients()
inputs_and_accumulation()
loads_in_transformers()
fills_as_the_pipeline()
sys.exit(failed)
