"""reference.py: the reference's side of `make bench`, each measurement in a process of its own.

    reference.py tokenize MODEL TEXTS.jsonl             tokenizers.encode_batch, one thread, ids and word_ids: bytes, seconds
    reference.py learn TEXTS.jsonl                      a WordPiece vocabulary of BERT's size: seconds
    reference.py text ARCHIVE MODEL                     read, tokenize, group_texts with datasets: seconds
    reference.py nanotoken MODEL TEXTS.jsonl            the same in nanotoken, ids only, on first sight of the text
    reference.py train MODEL MASKED.jsonl BATCH STEPS fp32|bf16   a plain PyTorch loop: tokens a second after the first step
    reference.py evaluate MODEL MASKED.jsonl BATCH      the loss of all records: tokens and seconds
    reference.py expert MODEL MASKED.jsonl BATCH STEPS fp32|bf16   `train` as an expert writes it: vocabulary logits at masked
                                                        tokens alone, scaled-dot-product attention, AdamW in one kernel,
                                                        torch.compile; the first step compiles
    reference.py expert_evaluate MODEL MASKED.jsonl BATCH fp32|bf16   the same for `evaluate`, after a first pass that compiles
    reference.py fill MODEL                             the fill-mask pipeline on one sentence
    reference.py classify_train MODEL REVIEWS.jsonl BATCH eager|compile   a plain PyTorch loop over tokens with a
                                                        label, in batches of similar lengths, each padded to its
                                                        longest: reviews and seconds after one step, which compiles
    reference.py classify MODEL REVIEWS.jsonl BATCH eager|compile   the same without training, after a first pass
    reference.py classify_pipeline MODEL TEXTS.jsonl LENGTH BATCH   the text-classification pipeline
    reference.py distill TEACHER STUDENT MASKED.jsonl BATCH eager|compile   a plain loop of DistilBERT's three losses: tokens
                                                        a second after the first step
    reference.py export MODEL masked|classifier OUT.onnx   a model for ONNX Runtime
    reference.py sentences MODEL.onnx                   ONNX Runtime on one sentence of 8, 16 and 64 tokens at a time

Prints a JSON object for each figure. BENCH_THREADS bounds the threads.
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
PLAIN, EXPERT = "plain PyTorch", "PyTorch by an expert's hand"


def tokenizer_of(model):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(model + "/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tokenize(model, texts):
    os.environ["RAYON_NUM_THREADS"] = "1"
    text = [row["text"] for row in rows_of(texts)]
    tokenizer = tokenizer_of(model)
    start = time.perf_counter()
    for encoding in tokenizer.encode_batch(text):
        encoding.ids, encoding.word_ids  # made when they are asked for
    return dict(seconds=time.perf_counter() - start, bytes=sum(len(t.encode()) for t in text))


def nanotoken(model, texts):
    os.environ["RAYON_NUM_THREADS"] = "1"
    import nanotoken as nano

    text = [row["text"] for row in rows_of(texts)]
    tokenizer = nano.Tokenizer(model + "/tokenizer.json")
    start = time.perf_counter()
    tokenizer.encode_batch(text)
    return dict(seconds=time.perf_counter() - start, bytes=sum(len(t.encode()) for t in text))


def learn(texts):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    text = [row["text"] for row in rows_of(texts)]
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


def update(network, optimizer, loss):
    """The rest of a training step."""
    import torch

    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def train(model, masked, batch, steps, dtype):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    torch.manual_seed(5)
    network = AutoModelForMaskedLM.from_pretrained(model).train()
    rows = rows_of(masked)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5)
    seconds = []
    for step in range(int(steps)):
        part = rows[step * int(batch) : (step + 1) * int(batch)]
        ids = torch.tensor([row["input_ids"] for row in part])
        labels = torch.tensor([row["labels"] for row in part])
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = network(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels).loss
        update(network, optimizer, loss)
        seconds.append(time.perf_counter() - start)
    return [dict(tokens_per_second=ids.numel() / second, peer=PLAIN) for second in seconds[1:]]


def evaluate(model, masked, batch):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    network = AutoModelForMaskedLM.from_pretrained(model).eval()
    rows = rows_of(masked)
    start = time.perf_counter()
    with torch.no_grad():
        for first in range(0, len(rows), int(batch)):
            part = rows[first : first + int(batch)]
            ids = torch.tensor([row["input_ids"] for row in part])
            labels = torch.tensor([row["labels"] for row in part])
            network(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels)
    return dict(seconds=time.perf_counter() - start, tokens=sum(len(row["input_ids"]) for row in rows), peer=PLAIN)


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
    room = torch.full((max(len(labels) // 4, len(where)) - len(where),), -100)  # of one shape, so that it compiles once
    return (torch.tensor([row["input_ids"] for row in rows]), torch.cat([where, room.abs() * 0]),
            torch.cat([labels[where], room]))


def expert(model, masked, batch, steps, dtype):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    torch.manual_seed(5)
    network = AutoModelForMaskedLM.from_pretrained(model, attn_implementation="sdpa").train()
    loss_of, optimizer = masked_loss(network), torch.optim.AdamW(network.parameters(), lr=5e-5, fused=True)
    rows = rows_of(masked)
    seconds = []
    for step in range(int(steps)):
        ids, where, labels = masked_batch(rows[step * int(batch) : (step + 1) * int(batch)])
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = loss_of(ids, where, labels)
        update(network, optimizer, loss)
        seconds.append(time.perf_counter() - start)
    return [dict(tokens_per_second=ids.numel() / second, mode="compile", peer=EXPERT) for second in seconds[1:]]


def expert_evaluate(model, masked, batch, dtype):
    import torch
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    network = AutoModelForMaskedLM.from_pretrained(model, attn_implementation="sdpa").eval()
    loss_of, rows = masked_loss(network), rows_of(masked)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
        for first_pass in (True, False):
            start = time.perf_counter()
            for first in range(0, len(rows), int(batch)):
                loss_of(*masked_batch(rows[first : first + int(batch)]))
    return dict(seconds=time.perf_counter() - start, tokens=sum(len(row["input_ids"]) for row in rows), mode="compile",
                peer=EXPERT)


def fill(model):
    from transformers import pipeline

    answers = pipeline("fill-mask", model=model)("This is a great [MASK].")
    return dict(answer=answers[0]["token_str"])


def rows_of(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def padded(rows):
    """Input ids and attention mask of records, padded to the longest."""
    import torch

    pad = lambda lists: torch.nn.utils.rnn.pad_sequence([torch.tensor(values) for values in lists], batch_first=True)
    return pad(row["input_ids"] for row in rows), pad([1] * len(row["input_ids"]) for row in rows)


def similar_lengths(rows, size):
    """Whole batches, the longest first, which shows at once how much memory there has to be."""
    rows = sorted(rows, key=lambda row: -len(row["input_ids"]))
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def classifier(model, mode):
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(threads)
    torch.manual_seed(5)
    network = AutoModelForSequenceClassification.from_pretrained(model)
    return network, torch.compile(network, dynamic=True) if mode == "compile" else network


def classify_train(model, reviews, batch, mode):
    import torch

    network, forward = classifier(model, mode)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-5)
    parts, seconds = similar_lengths(rows_of(reviews), int(batch)), []
    for part in parts[:1] + parts:
        ids, mask = padded(part)
        labels = torch.tensor([row["label"] for row in part])
        start = time.perf_counter()
        update(network, optimizer, forward(input_ids=ids, attention_mask=mask, labels=labels).loss)
        seconds.append(time.perf_counter() - start)
    return dict(reviews=sum(map(len, parts)), seconds=sum(seconds[1:]), mode=mode)


def classify(model, reviews, batch, mode):
    import torch

    network, forward = classifier(model, mode)
    network.eval()
    rows = rows_of(reviews)
    parts = similar_lengths(rows, int(batch))
    with torch.inference_mode():
        for chosen in parts[:: max(1, len(parts) - 1)], parts:  # the longest and the shortest first, which compiles
            start = time.perf_counter()
            for part in chosen:
                ids, mask = padded(part)
                forward(input_ids=ids, attention_mask=mask).logits.softmax(1).argmax(1)
    return dict(reviews=len(rows), seconds=time.perf_counter() - start, mode=mode,
                peer="a loop over batches of similar lengths")


def classify_pipeline(model, texts, length, batch):
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    text = [row["text"] for row in rows_of(texts)]
    predict = pipeline("text-classification", model=model, batch_size=int(batch), truncation=True, max_length=int(length))
    start = time.perf_counter()
    predict(text)
    return dict(reviews=len(text), seconds=time.perf_counter() - start, mode=f"batch {batch}",
                peer='pipeline("text-classification")')


def distill(teacher, student, masked, batch, mode):
    import torch
    from torch.nn.functional import cosine_embedding_loss, cross_entropy, kl_div, log_softmax, softmax
    from transformers import AutoModelForMaskedLM

    torch.set_num_threads(threads)
    torch.manual_seed(5)
    teacher = AutoModelForMaskedLM.from_pretrained(teacher).eval().requires_grad_(False)
    student = AutoModelForMaskedLM.from_pretrained(student).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=5e-5)
    compiled = [torch.compile(network) if mode == "compile" else network for network in (teacher, student)]

    def loss(ids, labels, temperature=2):
        with torch.no_grad():
            theirs = compiled[0](input_ids=ids, output_hidden_states=True)
        ours = compiled[1](input_ids=ids, output_hidden_states=True)
        masked, states = labels >= 0, [out.hidden_states[-1].flatten(0, 1) for out in (ours, theirs)]
        divergence = kl_div(log_softmax(ours.logits[masked] / temperature, -1),
                            softmax(theirs.logits[masked] / temperature, -1), reduction="batchmean")
        return (5 * temperature**2 * divergence + 2 * cross_entropy(ours.logits[masked], labels[masked])
                + cosine_embedding_loss(*states, torch.ones(len(states[0]))))

    seconds, rows = [], rows_of(masked)
    for part in (rows[first : first + int(batch)] for first in range(0, len(rows), int(batch))):
        ids, labels = (torch.tensor([row[key] for row in part]) for key in ("input_ids", "labels"))
        start = time.perf_counter()
        update(student, optimizer, loss(ids, labels))
        seconds.append(time.perf_counter() - start)
    return [dict(tokens_per_second=ids.numel() / second, mode=mode) for second in seconds[1:]]


def export(model, kind, out):
    import torch
    from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

    networks = dict(masked=AutoModelForMaskedLM, classifier=AutoModelForSequenceClassification)
    network = networks[kind].from_pretrained(model).eval()
    ids = torch.ones(1, 16, dtype=torch.long)
    names = ["input_ids", "attention_mask"]
    torch.onnx.export(network, (ids, ids), out, input_names=names, output_names=["logits"], dynamo=False,
                      dynamic_axes={name: {1: "tokens"} for name in names})


def sentences(model):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    figures = []
    for tokens in (8, 16, 64):
        given = {i.name: numpy.ones((1, tokens), numpy.int64) for i in session.get_inputs()}
        seconds = []
        for _ in range(30):
            start = time.perf_counter()
            session.run(None, given)
            seconds.append(time.perf_counter() - start)
        figures.append(dict(part=f"{tokens} tokens", milliseconds=1000 * statistics.median(seconds[5:])))
    return figures


commands = dict(tokenize=tokenize, nanotoken=nanotoken, learn=learn, text=text, train=train, evaluate=evaluate, fill=fill,
                expert=expert, expert_evaluate=expert_evaluate, classify_train=classify_train, classify=classify,
                classify_pipeline=classify_pipeline, distill=distill, export=export, sentences=sentences)
figures = commands[sys.argv[1]](*sys.argv[2:])
for figure in figures if isinstance(figures, list) else [figures or {}]:
    print(json.dumps(figure))
