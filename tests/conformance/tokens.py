"""wordpiece and wordpiece-train beside Hugging Face tokenizers: tokens.py FIXTURES SHARED SCRATCH

Every code point and many strings made at random, under several settings and added tokens; the hashes of a whole data
set where there is one; vocabularies learned from small texts, which must be among those that the reference learns."""
import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

import pyarrow as pa
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

fixtures, shared, scratch = sys.argv[1:]
sys.path.insert(0, os.path.join(fixtures, "text"))
import make  # noqa: E402  the fixtures' maker: its vocabulary and tokenizers

COMBINING = [0x302e, 0x302f, 0x301, 0x345, 0x34f, 0x1d165, 0x1d16d, 0x1e01b, 0x8d4, 0xa9c0, 0x327]
COMBINATIONS = 100
ADDED = ["<extra>", "film", "films", "fil", "Été", "e", "a b", "MOVIE", "...", "中国", "\u0301", "[MASK] x", "straße", "don't",
         "<", "ß"]
results = 0


def report(name, difference=None):
    global results
    results += 1
    print(f"{'not ok' if difference else 'ok'} {results} - {name}")
    if difference:
        print("#", ascii(difference)[:1000])


def stream(texts):
    table = pa.table({"text": pa.array(texts, pa.utf8())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue()


def run(command, texts):
    return subprocess.run(command, input=stream(texts), stdout=subprocess.PIPE, check=True).stdout


def compare(name, tokenizer, options, texts, files=None):
    """Whether every text has the reference's ids and word ids."""
    ours = pa.ipc.open_stream(run(["wordpiece", *options], texts)).read_all()
    expected = getattr(tokenizer, "backend_tokenizer", tokenizer).encode_batch(texts)
    ids, words = ours["input_ids"].to_pylist(), ours["word_ids"].to_pylist()
    report(f"{name}: {len(texts)} texts", next(
        ((text, "ours", a, b, "expected", e.ids, e.word_ids, files) for text, a, b, e in zip(texts, ids, words, expected)
         if a != e.ids or b != e.word_ids), None) or (len(ids) != len(texts) and "another number of texts"))


def all_points():
    points = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
    for i in range(0, len(points), 48):
        yield "a".join(map(chr, points[i:i + 48]))
        yield " \u0301".join(map(chr, points[i:i + 48]))


def strings(seed, count, vocab):
    chance = random.Random(seed)
    for _ in range(count):
        text = make.string(chance, vocab)
        if chance.random() < 0.2:  # runs of combining characters, whose order changes
            text += "".join(chr(chance.choice(COMBINING)) for _ in range(chance.randint(1, 9)))
        yield text
    for _ in range(count // 200):  # long ones, with words of any length
        yield " ".join(chance.choice([make.string(chance, vocab), chance.choice("aZ9é") * chance.randint(1, 300)])
                       for _ in range(chance.randint(100, 600)))


def settings():
    """The two sets of rules that have no folder, then switches and added tokens picked at random."""
    vocab = make.vocabulary()
    chance = random.Random(20)
    path = os.path.join(fixtures, "text", "vocab.txt")
    texts = list(all_points()) + list(strings(21, 6000, list(vocab)))
    compare("uncased", make.tokenizer(vocab), ["--vocab", path], texts)
    compare("cased", make.tokenizer(vocab, lowercase=False), ["--cased", "--vocab", path], texts)
    for number in range(12):
        steps = {key: chance.random() < 0.5
                 for key in ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")}
        added = [AddedToken(content, **{flag: chance.random() < 0.4
                                        for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")})
                 for content in chance.sample(ADDED, chance.randint(0, 5))]
        tokenizer = make.tokenizer(vocab, added, **steps)
        if chance.random() < 0.3:
            tokenizer.model.max_input_chars_per_word = chance.choice([0, 5, 16, 40])
        tokenizer.save(os.path.join(scratch, "tokenizer.json"))
        compare(f"settings {number}", tokenizer, ["--model", scratch], list(strings(number, 1200, list(vocab))))
    for length in (2, 3, 7):
        tokenizer = make.tokenizer(vocab)
        tokenizer.enable_truncation(length)
        compare(f"cut to {length}", tokenizer, ["--max-length", str(length), "--vocab", path],
                list(strings(5, 300, list(vocab))))


def golden():
    vocab = os.path.join(shared, "data", "vocab.txt")
    with gzip.open(os.path.join(shared, "golden", "unicode.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines]
    tokens = run(["wordpiece", "--vocab", vocab], [row["text"] for row in rows])
    ours = pa.ipc.open_stream(tokens).read_all().to_pylist()
    report("the golden strings", [row for row, own in zip(rows, ours) if row["input_ids"] != own["input_ids"]
                                  or [None if w == -1 else w for w in row["word_ids"]] != own["word_ids"]])
    archive = os.path.join(shared, "data", "aclImdb-train.tar.gz")
    with open(os.path.join(shared, "golden", "ids-train.jsonl")) as lines:
        for row in map(json.loads, lines):
            split = {"train/neg+pos": "train", "train/unsup": "unsupervised"}[row["split"]]
            hashes = hash_split(split, archive)
            report(f"the ids and word ids of {row['split']}", hashes != (row["input_ids"], row["word_ids"]) and hashes)


def hash_split(split, archive):
    with subprocess.Popen(["imdb-read", "--split", split, archive], stdout=subprocess.PIPE) as read:
        with subprocess.Popen(["wordpiece", "--model", os.path.join(shared, "data", "minilm-l6")], stdin=read.stdout,
                              stdout=subprocess.PIPE) as tokens:
            ids, words = hashlib.sha256(), hashlib.sha256()
            for batch in pa.ipc.open_stream(tokens.stdout):
                ids.update(batch["input_ids"].flatten().to_numpy().tobytes())
                words.update(batch["word_ids"].flatten().fill_null(-1).to_numpy().tobytes())
    return ids.hexdigest(), words.hexdigest()


def configured():
    """A tokenizer.json beside a tokenizer_config.json that disagrees, as transformers reads the two."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    from transformers import AutoTokenizer
    folder = os.path.join(scratch, "configured")
    os.mkdir(folder)
    vocab = make.vocabulary()
    texts = list(strings(30, 400, list(vocab)))
    for number, (name, steps, config) in enumerate([
            ("BertTokenizer", {"lowercase": True}, {"do_lower_case": False}),
            ("BertTokenizer", {"lowercase": False}, {"do_lower_case": True, "tokenize_chinese_chars": False}),
            ("DistilBertTokenizer", {"strip_accents": False}, {"do_lower_case": True, "strip_accents": None}),
            ("BertTokenizer", {"lowercase": True}, {"do_lower_case": True, "strip_accents": False}),
            ("PreTrainedTokenizerFast", {"lowercase": True}, {"do_lower_case": False})]):
        make.tokenizer(vocab, **steps).save(os.path.join(folder, "tokenizer.json"))
        for file, content in ("tokenizer_config", {"tokenizer_class": name, **config}), ("config", {"model_type": "bert"}):
            with open(os.path.join(folder, f"{file}.json"), "w") as out:
                json.dump(content, out)
        compare(f"configured {number}: {name}", AutoTokenizer.from_pretrained(folder),
                ["--model", folder], texts)


SOME = ("[PAD] [UNK] [CLS] [SEP] [MASK] the good film ##s ##m fil [ENT] <m> GOOD covid . , ' ? 's n't ##. do not").split()
FLAGS = ("single_word", "lstrip", "rstrip", "normalized")


def described(chance, content, **more):
    """An added token as the files have it."""
    return {"content": content, **{flag: chance.random() < 0.3 for flag in FLAGS}, **more}


def listed(chance, count):
    return chance.sample(["[ENT]", "[NEW]", "<m>", "covid", "the", "GOOD", "<x y>", "Films", "[MASK]", "do not .", "a ' b"],
                         count)


def own_tokens(chance):
    """`added_tokens` of a tokenizer.json."""
    tokens = [described(chance, content, id=SOME.index(content), special=True) for content in SOME[:5]
              if chance.random() < 0.9]
    return tokens + [described(chance, content, id=len(SOME) + i, special=chance.random() < 0.5)
                     for i, content in enumerate(listed(chance, chance.randint(0, 3)))
                     if content not in [token["content"] for token in tokens]]


def named(chance, typed):
    """Special tokens by name, as a string or an object; of an old tokenizer_config.json it has a type."""
    names = chance.sample(["mask_token", "pad_token", "bos_token", "eos_token", "cls_token", "image_token"],
                          chance.randint(0, 3))
    values = {}
    for name in names:
        content = chance.choice(["[MASK]", "<m>", "[ENT]", "[NEW]"] if name != "cls_token" else ["[CLS]", "[ENT]"])
        values[name] = content if chance.random() < 0.6 else described(
            chance, content, **({"__type": "AddedToken"} if typed else {}))
    return values


def configuration(chance):
    config = named(chance, True)
    for key in "additional_special_tokens", "extra_special_tokens":
        if chance.random() < 0.25:
            config[key] = listed(chance, chance.randint(0, 2))
    if chance.random() < 0.15:
        config["extra_special_tokens"] = {"boi_token": "[ENT]", "mask_token": "<m>"}
    if chance.random() < 0.3:
        config["added_tokens_decoder"] = {
            str(chance.randint(0, 30)): described(chance, content, special=chance.random() < 0.5)
            for content in listed(chance, chance.randint(0, 4))}
    for key in ("do_lower_case", "tokenize_chinese_chars", "strip_accents", "split_special_tokens",
                "clean_up_tokenization_spaces"):
        if chance.random() < (0.3 if key != "split_special_tokens" else 0.1):
            config[key] = chance.random() < 0.5
    if chance.random() < 0.6:
        config["tokenizer_class"] = chance.choice(["BertTokenizer", "DistilBertTokenizerFast", "ElectraTokenizer",
                                                   "PreTrainedTokenizerFast", "BertTokenizerFast"])
    return config


def combination(chance):
    """The files of a folder, by name."""
    files = {"config.json": {"model_type": chance.choice(["bert", "distilbert"])}}
    if chance.random() < 0.8:
        files["tokenizer_config.json"] = configuration(chance)
    if chance.random() < 0.5:
        files["special_tokens_map.json"] = named(chance, False)
        if chance.random() < 0.4:
            files["special_tokens_map.json"]["additional_special_tokens"] = listed(chance, 2)
        if chance.random() < 0.2:
            files["special_tokens_map.json"]["extra_special_tokens"] = listed(chance, 2)
    if chance.random() < 0.4:
        files["added_tokens.json"] = {content: len(SOME) + chance.randint(0, 9) for content in listed(chance, 3)}
    generic = files.get("tokenizer_config.json", {}).get("tokenizer_class") == "PreTrainedTokenizerFast"
    if generic or chance.random() < 0.5:
        tokenizer = make.tokenizer({token: i for i, token in enumerate(SOME)}, lowercase=chance.random() < 0.5)
        content = json.loads(tokenizer.to_str())
        content["added_tokens"] = own_tokens(chance)
        if chance.random() < 0.3:
            del content["model"]["type"]
        files["tokenizer.json"] = content
    if "tokenizer.json" not in files or chance.random() < 0.5:
        files["vocab.txt"] = "\n".join(SOME) + "\n"
    return files


def spell(chance):
    """A text in which the tokens of the combinations stand in all kinds of places."""
    parts = SOME + ["[NEW]", "<x y>", "Films", "films", "Covid", "[mask]", "<M>", "中国", "é", " ", "  ", ".", "x"]
    return "".join(chance.choice(parts) + chance.choice(["", " ", " ", "\t"]) for _ in range(chance.randint(1, 14)))


def decoded(name, tokenizer, folder, chance):
    """Whether lists of ids become the reference's text."""
    rows = [[chance.randrange(len(tokenizer)) for _ in range(chance.randint(0, 12))] for _ in range(40)]
    sink = pa.BufferOutputStream()
    table = pa.table({"input_ids": pa.array(rows, pa.list_(pa.int32()))})
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table)
    ours = subprocess.run(["rec-dump", "--text", "--model", folder], input=sink.getvalue(), stdout=subprocess.PIPE,
                          check=True).stdout.decode().split("\n")[:-1]
    expected = [tokenizer.decode(row) for row in rows]
    report(name, next(((row, "ours", a, "expected", b) for row, a, b in zip(rows, ours, expected) if a != b), None)
           or (len(ours) != len(rows) and "another number of texts"))


def combined():
    """Folders whose files disagree, as AutoTokenizer merges them."""
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    from transformers import AutoTokenizer
    folder = os.path.join(scratch, "combined")
    for number in range(COMBINATIONS):
        chance = random.Random(number)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        files = combination(chance)
        for name, content in files.items():
            with open(os.path.join(folder, name), "w") as out:
                out.write(content if isinstance(content, str) else json.dumps(content))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        compare(f"combined {number}: {', '.join(files)}", tokenizer, ["--model", folder],
                [spell(chance) for _ in range(40)], files)
        decoded(f"decoded {number}", tokenizer, folder, chance)


def learned(texts, size, frequency, cased):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=frequency, special_tokens=make.SPECIAL, show_progress=False))
    vocab = tokenizer.get_vocab()
    return sorted(vocab, key=vocab.get)


def training():
    """Three letters within words have six orders, one of which the reference takes by chance: it is asked until it
    has taken ours."""
    for seed in range(16):
        chance = random.Random(seed)
        letters = chance.choice(["abc", "éßa", "한국A"])
        words = ["".join(chance.choice(letters) for _ in range(chance.randint(1, 12)))
                 for _ in range(chance.randint(1, 25))]
        texts = [" ".join([word] * chance.randint(1, 300)) for word in words] + [chance.choice(["a. b", "", "-"])]
        size, frequency, cased = chance.randint(5, 150), chance.choice([0, 2, 100]), chance.random() < 0.4
        command = ["wordpiece-train", "--vocab-size", str(size), "--min-frequency", str(frequency)]
        ours = run(command + ["--cased"] * cased, texts).decode().split("\n")[:-1]
        report(f"learning {seed}: {len(ours)} tokens",
               not any(learned(texts, size, frequency, cased) == ours for _ in range(200)) and ours)


settings()
configured()
combined()
training()
if shared:
    golden()
else:
    report("golden strings and hashes # skip no ../shared")
print(f"1..{results}")
sys.exit(0)
