"""reference.py: the reference's side of `make bench`, each measurement in a process of its own.

    reference.py tokenize MODEL TEXTS.jsonl             tokenizers.encode_batch, one thread, ids and word_ids: bytes, seconds
    reference.py learn TEXTS.jsonl                      a WordPiece vocabulary of BERT's size: seconds
    reference.py text ARCHIVE MODEL                     read, tokenize, group_texts with datasets: seconds
    reference.py nanotoken MODEL TEXTS.jsonl            the same in nanotoken, ids only, on first sight of the text
    reference.py train MODEL MASKED.jsonl BATCH STEPS fp32|bf16 eager|compile   a plain PyTorch loop: tokens a second after
                                                        the first step, which compiles
    reference.py evaluate MODEL MASKED.jsonl BATCH      the loss of all records: tokens and seconds
    reference.py expert MODEL MASKED.jsonl BATCH STEPS fp32|bf16   `train` as an expert writes it: vocabulary logits at masked
                                                        tokens alone, scaled-dot-product attention, AdamW in one kernel,
                                                        torch.compile
    reference.py expert_evaluate MODEL MASKED.jsonl BATCH fp32|bf16   the same for `evaluate`, after a first pass that compiles
    reference.py fill MODEL                             the fill-mask pipeline on one sentence

Prints one JSON object. BENCH_THREADS bounds the threads.
"""
import json
import os
import statistics
import sys
import time

threads = int(os.environ.get("BENCH_THREADS", os.cpu_count()))
os.environ["RAYON_NUM_THREADS"] = str(threads)
os.environ["TOKENIZERS_PARALLELISM"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def tokenizer_of(model):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(model + "/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenize(model, texts):
    os.environ["RAYON_NUM_THREADS"] = "1"
    text = [json.loads(line)["text"] for line in open(texts, encoding="utf-8")]
    tokenizer = tokenizer_of(model)
    start = time.perf_counter()
    for encoding in tokenizer.encode_batch(text):
        encoding.ids, encoding.word_ids  # made when they are asked for
    return dict(seconds=time.perf_counter() - start, bytes=sum(len(t.encode()) for t in text))


def nanotoken(model, texts):
    os.environ["RAYON_NUM_THREADS"] = "1"
    import nanotoken as nano

    text = [json.loads(line)["text"] for line in open(texts, encoding="utf-8")]
    tokenizer = nano.Tokenizer(model + "/tokenizer.json")
    start = time.perf_counter()
    tokenizer.encode_batch(text)
    return dict(seconds=time.perf_counter() - start, bytes=sum(len(t.encode()) for t in text))


def learn(texts):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    text = [json.loads(line)["text"] for line in open(texts, encoding="utf-8")]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    start = time.perf_counter()
    trainer = trainers.WordPieceTrainer(vocab_size=30522, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    return dict(seconds=time.perf_counter() - start)


def text(archive, model):
    import tarfile
    import tempfile

    import datasets
    from transformers import PreTrainedTokenizerFast

    datasets.disable_progress_bars()
    start = time.perf_counter()
    documents = {"neg": [], "pos": []}
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = member.name.split("/")
            if member.isfile() and len(parts) == 4 and parts[1] == "train" and parts[2] in documents:
                documents[parts[2]].append((parts[3], tar.extractfile(member).read().decode()))
    rows = [content for label in documents for _, content in sorted(documents[label])]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer_of(model))

    def to_tokens(batch):
        result = tokenizer(batch["text"])
        result["word_ids"] = [result.word_ids(i) for i in range(len(result["input_ids"]))]
        return result

    def to_chunks(batch, size=128):
        joined = {k: sum(batch[k], []) for k in batch}
        whole = len(joined["input_ids"]) // size * size
        return {k: [v[i : i + size] for i in range(0, whole, size)] for k, v in joined.items()}

    with tempfile.TemporaryDirectory() as cache:
        datasets.config.HF_DATASETS_CACHE = cache
        tokens = datasets.Dataset.from_dict({"text": rows}).map(to_tokens, batched=True, remove_columns=["text"])
        chunks = tokens.map(to_chunks, batched=True)
        return dict(seconds=time.perf_counter() - start, chunks=len(chunks))


def train(model, masked, batch, steps, dtype, mode):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    torch.manual_seed(5)
    network = AutoModelForMaskedLM.from_pretrained(model).train()
    forward = torch.compile(network) if mode == "compile" else network
    rows = [json.loads(line) for line in open(masked)]
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5)
    seconds = []
    for step in range(int(steps)):
        part = rows[step * int(batch) : (step + 1) * int(batch)]
        ids = torch.tensor([row["input_ids"] for row in part])
        labels = torch.tensor([row["labels"] for row in part])
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = forward(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    return dict(tokens_per_second=ids.numel() / statistics.median(seconds[1:]), mode=mode)


def evaluate(model, masked, batch):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    network = AutoModelForMaskedLM.from_pretrained(model).eval()
    rows = [json.loads(line) for line in open(masked)]
    start = time.perf_counter()
    with torch.no_grad():
        for first in range(0, len(rows), int(batch)):
            part = rows[first : first + int(batch)]
            ids = torch.tensor([row["input_ids"] for row in part])
            labels = torch.tensor([row["labels"] for row in part])
            network(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels)
    return dict(seconds=time.perf_counter() - start, tokens=sum(len(row["input_ids"]) for row in rows))


def masked_loss(network):
    """A compiled function of a batch: the mean loss over its masked tokens, whose logits are the only ones computed."""
    import torch

    head = network.cls if hasattr(network, "cls") else lambda h: network.vocab_projector(
        network.vocab_layer_norm(network.activation(network.vocab_transform(h))))

    def loss(ids, where, labels):
        hidden = network.base_model(input_ids=ids)[0].flatten(0, 1)[where]
        return torch.nn.functional.cross_entropy(head(hidden).float(), labels)

    return torch.compile(loss, dynamic=False)


def masked_batch(rows):
    import torch

    labels = torch.tensor([row["labels"] for row in rows]).flatten()
    where = (labels >= 0).nonzero().squeeze(1)
    room = torch.full((max(len(labels) // 5, len(where)) - len(where),), -100)  # of one shape, so that it compiles once
    return (torch.tensor([row["input_ids"] for row in rows]), torch.cat([where, room.abs() * 0]),
            torch.cat([labels[where], room]))


def expert(model, masked, batch, steps, dtype):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    torch.manual_seed(5)
    network = AutoModelForMaskedLM.from_pretrained(model, attn_implementation="sdpa").train()
    loss_of, optimizer = masked_loss(network), torch.optim.AdamW(network.parameters(), lr=5e-5, fused=True)
    rows = [json.loads(line) for line in open(masked)]
    seconds = []
    for step in range(int(steps)):
        ids, where, labels = masked_batch(rows[step * int(batch) : (step + 1) * int(batch)])
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = loss_of(ids, where, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
    return dict(tokens_per_second=ids.numel() / statistics.median(seconds[1:]), mode="compile")


def expert_evaluate(model, masked, batch, dtype):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    network = AutoModelForMaskedLM.from_pretrained(model, attn_implementation="sdpa").eval()
    loss_of, rows = masked_loss(network), [json.loads(line) for line in open(masked)]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
        for first_pass in (True, False):
            start = time.perf_counter()
            for first in range(0, len(rows), int(batch)):
                loss_of(*masked_batch(rows[first : first + int(batch)]))
    return dict(seconds=time.perf_counter() - start, tokens=sum(len(row["input_ids"]) for row in rows))


def fill(model):
    from transformers import pipeline

    answers = pipeline("fill-mask", model=model)("This is a great [MASK].")
    return dict(answer=answers[0]["token_str"])


commands = dict(tokenize=tokenize, nanotoken=nanotoken, learn=learn, text=text, train=train, evaluate=evaluate, fill=fill,
                expert=expert, expert_evaluate=expert_evaluate)
print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
