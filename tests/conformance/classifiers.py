# What classify-step, classify and accuracy do, held against torch and transformers: classifiers.py SHARED SCRATCH.
#
# SHARED/golden, where it is, holds runs of the reference. CLOZE_REVIEWS, where it is set, is the folder of one more,
# MiniLM on 1,600 reviews, which takes minutes: what imdb_classifier_golden.py of SHARED/peers/transfer writes. Says what
# differs and exits 1, or says nothing.
import glob
import gzip
import json
import os
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, BertForSequenceClassification, logging

logging.set_verbosity_error()
logging.disable_progress_bar()
shared, scratch = sys.argv[1:3]
fixtures = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "train")
torch.set_num_threads(1)
failed = False


def differ(what, got, expected):
    global failed
    print(f"{what}: {got}, the reference {expected}")
    failed = True


def close(what, got, expected, tolerance):
    """Relative."""
    if not (got == expected or expected != 0 and abs(got / expected - 1) <= tolerance):
        differ(what, got, expected)


def near(what, got, expected, tolerance):
    """Absolute, element by element."""
    got, expected = torch.tensor(got), torch.as_tensor(expected)
    if got.shape != expected.shape or not (got - expected).abs().max() <= tolerance:
        differ(what, got.tolist(), expected.tolist())


def run(*command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


def loaded(rows):
    return run("rec-load", "--type", "tokens", data="".join(json.dumps(row) + "\n" for row in rows).encode())


def scores(model, data, *options):
    lines = run("rec-dump", data=run("classify", "--model", model, *options, data=data)).splitlines()
    return [json.loads(line)["scores"] for line in lines]


def train(model, out, data, *options):
    lines = run("classify-step", "--model", model, "--out", out, "--force", "--dropout", "0", *options, data=data)
    return [json.loads(line) for line in lines.splitlines()]


# ---- goldens

TOLERANCES = {  # loss, grad_norm, evaluated loss, scores
    "classifier": (1e-5, 3e-5, 1e-5, 1e-5),
    "ulmfit": (1.5e-4, 5e-4, 1e-4, 1e-3),
}
RUNNING = {"norm1.running_mean": 1e-2, "norm1.running_var": 2e-3, "norm2.running_mean": 3e-4, "norm2.running_var": 3e-4}


def golden_options(o):
    options = ["--lr", o["lr"], "--weight-decay", o["weight_decay"], "--lr-scheduler-type", o["schedule"],
               "--max-grad-norm", o["max_grad_norm"], "--batch-size", o["batch"], "--max-steps", o["steps"],
               "--adam-epsilon", o["eps"]]
    for name, key in (("--warmup-steps", "warmup"), ("--layer-lr-decay", "decay"), ("--unfreeze-every", "unfreeze"),
                      ("--cut-fraction", "cut_frac"), ("--ratio", "ratio")):
        if key in o:
            options += [name, o[key]]
    return [str(option) for option in options]


def compare_evaluation(what, model, held, expected, batch, tolerance):
    predicted = run("classify", "--model", model, "--batch-size", str(batch), data=held)
    got = json.loads(run("accuracy", "--json", data=predicted))
    close(f"{what}: records", got["records"], expected["records"], 0)
    if expected["closest"] > 2 * tolerance:
        close(f"{what}: accuracy", got["accuracy"], expected["accuracy"], 1e-9)
    rows = [json.loads(line) for line in run("rec-dump", data=predicted).splitlines()[:8]]
    near(f"{what}: scores", [row["scores"] for row in rows], torch.tensor(expected["logits"]).softmax(1), tolerance)


def compare_golden(folder, kind):
    expected = json.load(open(folder + "/expected.json"))
    name, o = os.path.basename(folder), expected["options"]
    loss, norm, evaluated, score = TOLERANCES[kind]
    model = folder + "/classifier" if kind == "classifier" else folder
    out, held_path = os.path.join(scratch, name), os.path.join(scratch, name + ".arrows")
    held = run("rec-load", "--type", "tokens", data=gzip.open(folder + "/eval.jsonl.gz").read())
    open(held_path, "wb").write(held)
    compare_evaluation(name + " before", model, held, expected["before"], o["batch"], score)
    lines = train(model, out, run("rec-load", "--type", "tokens", data=gzip.open(folder + "/train.jsonl.gz").read()),
                  *golden_options(o), "--pooling", "cls" if kind == "classifier" else "concat", "--eval", held_path)
    steps = [line for line in lines if "loss" in line]
    close(f"{name}: steps", len(steps), len(expected["loss"]), 0)
    for i, step in enumerate(steps):
        close(f"{name}: loss of step {i + 1}", step["loss"], expected["loss"][i], loss)
        close(f"{name}: grad_norm of step {i + 1}", step["grad_norm"], expected["grad_norm"][i], norm)
        if kind == "classifier":
            near(f"{name}: learning_rate of step {i + 1}", step["learning_rate"], expected["learning_rate"][i], 1e-12)
        else:  # the head first, down to the embeddings
            rates = list(step["learning_rates"].values())
            near(f"{name}: learning_rates of step {i + 1}", rates, expected["learning_rate"][i], 1e-9)
    close(f"{name}: eval_loss", lines[-1]["eval_loss"], expected["after"]["loss"], evaluated)
    close(f"{name}: eval_accuracy", lines[-1]["eval_accuracy"], expected["after"]["accuracy"], 1e-9)
    compare_evaluation(name + " after", out, held, expected["after"], o["batch"], score)
    ours = load_file(out + "/model.safetensors") if "running" in expected else {}
    for tensor, values in expected.get("running", {}).items():
        near(f"{name}: {tensor}", ours[tensor].tolist(), values, RUNNING[tensor.removeprefix("ulmfit.")])


def goldens():
    for kind in TOLERANCES:
        for path in sorted(glob.glob(os.path.join(shared, "golden", kind + "-*", "expected.json"))):
            compare_golden(os.path.dirname(path), kind)


def reviews(folder):
    """A real encoder and the reference's new head: its first 20 losses, and its accuracy to 0.3 points."""
    expected, start = json.load(open(folder + "/expected.json")), os.path.join(scratch, "reviews")
    model = BertForSequenceClassification.from_pretrained(os.path.join(shared, "data", "minilm-l6"), num_labels=2)
    model.load_state_dict(load_file(folder + "/head.safetensors"), strict=False)
    model.save_pretrained(start)
    data, held = (run("rec-load", "--type", "tokens", data=gzip.open(f"{folder}/{part}.jsonl.gz").read())
                  for part in ("train", "eval"))
    steps = train(start, start + "-out", data, *golden_options(expected["options"]))
    close("reviews: steps", len(steps), len(expected["loss"]), 0)
    for i, step in enumerate(steps[:20]):
        close(f"reviews: loss of step {i + 1}", step["loss"], expected["loss"][i], 1e-4)
    got = json.loads(run("accuracy", "--json", data=run("classify", "--model", start + "-out", data=held)))
    near("reviews: accuracy", got["accuracy"], expected["after"]["accuracy"], 0.003)


# ---- transformers, both ways

def records(count, seed, vocabulary=90, classes=3):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda n, size: torch.randint(n, (size,), generator=generator).tolist()
    words = lambda: [5 + i for i in draw(vocabulary - 5, 1 + draw(20, 1)[0])]
    return [dict(input_ids=[2] + words() + [3], label=draw(classes, 1)[0]) for _ in range(count)]


def rectangle(rows):
    longest = max(len(row["input_ids"]) for row in rows)
    pad = lambda values: values + [0] * (longest - len(values))
    return dict(input_ids=torch.tensor([pad(row["input_ids"]) for row in rows]),
                attention_mask=torch.tensor([pad([1] * len(row["input_ids"])) for row in rows]))


def reference_model(family, folder, classes=3):
    torch.manual_seed(4)
    model = AutoModelForSequenceClassification.from_pretrained(os.path.join(fixtures, family), num_labels=classes,
                                                               attn_implementation="eager").train(False)
    for name, parameter in model.named_parameters():
        if "classifier" in name or "pooler" in name:
            parameter.data = 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model


def transformers_both_ways():
    rows = records(24, 1)
    for family in ("bert", "distilbert"):
        folder = os.path.join(scratch, family + "-theirs")
        with torch.no_grad():
            expected = reference_model(family, folder)(**rectangle(rows)).logits.softmax(1)
        near(f"{family}: theirs in classify", scores(folder, loaded(rows), "--batch-size", "7"), expected, 1e-6)
        out = os.path.join(scratch, family + "-ours")
        train(folder, out, loaded(rows), "--lr", "1e-2", "--max-steps", "3", "--labels", "bad,fair,good")
        model = AutoModelForSequenceClassification.from_pretrained(out, attn_implementation="eager")
        if model.config.id2label != {0: "bad", 1: "fair", 2: "good"} or model.config.num_labels != 3:
            differ(f"{family}: id2label", model.config.id2label, "bad, fair, good")
        with torch.no_grad():
            expected = model(**rectangle(rows)).logits.softmax(1)
        near(f"{family}: ours in transformers", scores(out, loaded(rows)), expected, 1e-6)


def encoder_of_a_pooled_classifier():
    for family in ("bert", "distilbert"):
        out = os.path.join(scratch, family + "-pooled")
        train(os.path.join(fixtures, family), out, loaded(records(16, 3)), "--pooling", "concat", "--max-steps", "1",
              "--lr", "1e-2", "--labels", "a,b,c")
        model, ours = AutoModel.from_pretrained(out), load_file(out + "/model.safetensors")
        for name, parameter in model.named_parameters():
            if not name.startswith("pooler.") and not torch.equal(parameter, ours[f"{family}.{name}"]):
                differ(f"{family}: {name} in AutoModel", "another", "equal")


def losses():
    """Weights and smoothing as torch.nn.CrossEntropyLoss has them, in training and in evaluation."""
    rows, held = records(12, 5), records(9, 6)
    held_path = os.path.join(scratch, "losses.arrows")
    open(held_path, "wb").write(loaded(held))
    for family in ("bert", "distilbert"):
        folder = os.path.join(scratch, family + "-losses")
        model = reference_model(family, folder)
        for weights, smoothing in (([0.5, 3, 1], 0), ([1, 1, 1], 0.3), ([2, 0.25, 0], 0.1)):
            criterion = torch.nn.CrossEntropyLoss(torch.tensor(weights, dtype=torch.float), label_smoothing=smoothing)
            labels_of = lambda rows: torch.tensor([row["label"] for row in rows])
            loss_of = lambda rows: criterion(model(**rectangle(rows)).logits, labels_of(rows))
            model.zero_grad()
            loss = loss_of(rows)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
            for passes in (1, 3):  # a step of several batches is one of them all
                got = train(folder, folder + "-out", loaded(rows), "--lr", "0", "--weight-decay", "0",
                            "--max-steps", "1", "--batch-size", str(12 // passes),
                            "--gradient-accumulation-steps", str(passes), "--class-weights",
                            ",".join(map(str, weights)), "--label-smoothing", str(smoothing), "--eval", held_path)
                what = f"{family}, weights {weights}, smoothing {smoothing}, {passes} batches"
                close(f"{what}: loss", got[0]["loss"], loss.item(), 1e-5)
                close(f"{what}: grad_norm", got[0]["grad_norm"], norm.item(), 3e-5)
                with torch.no_grad():
                    close(f"{what}: eval_loss", got[1]["eval_loss"], loss_of(held).item(), 1e-5)


goldens()
if "CLOZE_REVIEWS" in os.environ:
    reviews(os.environ["CLOZE_REVIEWS"])
transformers_both_ways()
encoder_of_a_pooled_classifier()
losses()
sys.exit(failed)
