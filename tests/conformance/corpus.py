"""imdb-read against Python's tarfile, csv, json and decode(errors="replace"), and against numpy's random numbers.

    corpus.py formats     random CSV, tab-separated values, JSON lines and lines; samples
    corpus.py [SHARED]    random bytes in an archive, and the real archive where it is
"""

import csv
import io
import json
import pathlib
import random
import subprocess
import sys
import tarfile

import numpy
import pyarrow


def read(arguments, archive=None):
    stream = subprocess.run(["imdb-read", *arguments], input=archive, check=True, capture_output=True).stdout
    return pyarrow.ipc.open_stream(stream).read_all()


def compare(table, documents):
    """documents: name to bytes"""
    names = sorted(documents, key=str.encode)
    assert table["name"].to_pylist() == names
    for name, text in zip(names, table["text"].to_pylist(), strict=True):
        assert text == documents[name].decode("utf-8", errors="replace"), name
    labels = {"neg": 0, "pos": 1, "unsup": -1}
    assert table["label"].to_pylist() == [labels[name.split("/")[1]] for name in names]
    table.validate(full=True)


def random_documents(generator):
    # bytes that make whole, cut and forbidden sequences likely
    alphabet = [bytes([b]) for b in (0x41, 0x00, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC1, 0xC3, 0xE0, 0xE2, 0xED, 0xEF, 0xF0,
                                     0xF1, 0xF4, 0xF5, 0xFF)] + ["é".encode(), "漢".encode(), "😀".encode(), b"ordinary text"]
    for number in range(1000):
        name = f"train/{generator.choice(['neg', 'pos'])}/{number}_{generator.randint(1, 10)}.txt"
        yield name, b"".join(generator.choices(alphabet, k=generator.randint(0, 40)))


def compare_archives(shared):
    documents = dict(random_documents(random.Random(1)))
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in documents.items():
            member = tarfile.TarInfo("top/" + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    compare(read([], archive.getvalue()), documents)

    real = pathlib.Path(shared, "data", "aclImdb-train.tar.gz")
    if shared and real.exists():
        with tarfile.open(real) as tar:
            documents = {m.name.split("/", 1)[1]: tar.extractfile(m).read() for m in tar
                         if m.isreg() and "/unsup/" not in m.name}
        assert len(documents) == 25000
        compare(read(["--split", "train", str(real)]), documents)


def random_text(generator):
    return "".join(generator.choices(["word", " ", '"', ",", "\t", "\n", "\r\n", "\r", "é", "漢", "😀", "\0", "\\", "'"],
                                     k=generator.randint(0, 30)))


def compare_written(generator):
    """What the csv and json modules write comes back."""
    rows = [(random_text(generator), generator.choice([-1, 0, 1, 7]), random_text(generator)) for _ in range(3000)]
    for dialect, kind in (("excel", "csv"), ("excel-tab", "tsv"), ("unix", "csv")):
        file = io.StringIO(newline="")
        writer = csv.writer(file, dialect)
        writer.writerow(["other", "label", "text"])
        writer.writerows((other, label, text) for text, label, other in rows)
        table = read(["--format", kind], file.getvalue().encode())
        assert table["text"].to_pylist() == [text for text, _, _ in rows], dialect
        assert table["label"].to_pylist() == [label for _, label, _ in rows], dialect
    for ascii_only in (True, False):
        lines = "\n".join(json.dumps({"other": [other], "text": text, "label": label}, ensure_ascii=ascii_only)
                          for text, label, other in rows)
        table = read([], lines.encode())
        assert table["text"].to_pylist() == [text for text, _, _ in rows]
        assert table["label"].to_pylist() == [label for _, label, _ in rows]


def compare_raw(generator):
    """Random bytes are read, or refused, as csv.reader does."""
    taken = refused = 0
    for _ in range(400):
        alphabet = ["a", "b", ",", '"', '""', '","', "\n", "\r\n", "\r", '"\n"']
        body = "text,label\n" + "".join(generator.choices(alphabet, k=generator.randint(0, 12)))
        try:
            rows = [row for row in csv.reader(io.StringIO(body, newline=""), strict=True) if row][1:]
        except csv.Error:
            rows = None
        run = subprocess.run(["imdb-read", "--format", "csv", "--label-column", "label"], input=body.encode(),
                             capture_output=True)
        if rows is None or any(len(row) != 2 or row[1] != "" for row in rows):
            assert run.returncode == 65, (body, run.stderr)
            refused += 1
        else:
            assert run.returncode == 0, (body, run.stderr)
            table = pyarrow.ipc.open_stream(run.stdout).read_all()
            assert table["text"].to_pylist() == [row[0] for row in rows], body
            taken += 1
    assert taken > 50 and refused > 50


def compare_json(generator):
    """Random texts are JSON, or not, as json.loads() finds, and halves of surrogate pairs are replaced."""
    taken = refused = 0
    letters = ["a", "\\\\", '\\"', "\\n", "\\u00e9", "\\ud83d", "\\ude00", "é", " ", "\\u12", "\\x", "\t", '"']
    values = ["1", "-0", "1.5e3", "1e999", "NaN", "-Infinity", "true", "null", "[1, {}]", '{"b": [[]]}', '"x"', "01", "+1", "1.",
              ".5", "1e", "-NaN", "nul", "[1,]", '{"b"}']
    for _ in range(600):
        body = '{"text": "' + "".join(generator.choices(letters, k=generator.randint(0, 3))) + '", "y": '
        body += generator.choice(values) + generator.choice(["", "", ', "y": 2', ', "text": "b"', ", z: 1", ","]) + "}"
        try:
            pairs = json.loads(body, object_pairs_hook=lambda found: found)
            texts = [value for key, value in pairs if key == "text"]
        except json.JSONDecodeError:
            texts = None
        run = subprocess.run(["imdb-read", "--format", "jsonl"], input=body.encode(), capture_output=True)
        if texts is None or len(texts) != 1 or not isinstance(texts[0], str):
            assert run.returncode == 65 and (b"not JSON" in run.stderr) == (texts is None), (body, run.stderr)
            refused += 1
        else:
            assert run.returncode == 0, (body, run.stderr)
            text = "".join("\ufffd" if "\ud800" <= c < "\ue000" else c for c in texts[0])
            assert pyarrow.ipc.open_stream(run.stdout).read_all()["text"].to_pylist() == [text], body
            taken += 1
    assert taken > 50 and refused > 50, (taken, refused)


def compare_lines(generator):
    text = "".join(generator.choices(["word ", "\n", "\r\n", "é"], k=5000))
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    assert read(["--format", "lines"], text.encode())["text"].to_pylist() == lines
    paragraphs = ["\n".join(group).removesuffix("\n") for group in split_at_blanks(lines)]
    assert read(["--format", "paragraphs"], text.encode())["text"].to_pylist() == paragraphs


def split_at_blanks(lines):
    group = []
    for line in [*lines, ""]:
        if line.strip():
            group.append(line)
        elif group:
            yield group
            group = []


def compare_samples():
    """The man page's algorithm, by numpy: the documents of the smallest draws, in order."""
    text = "".join(f"{i}\n" for i in range(5000)).encode()
    for seed, size in ((0, 1), (1, 100), (42, 4999), (2**53, 300)):
        draws = numpy.random.default_rng(seed).bit_generator.random_raw(5000)
        expected = numpy.sort(numpy.argsort(draws, kind="stable")[:size]).tolist()
        stream = subprocess.run(["imdb-read", "--format", "lines"], input=text, check=True, capture_output=True).stdout
        sampled = subprocess.run(["select-records", "--sample", str(size), "--seed", str(seed)], input=stream,
                                 check=True, capture_output=True).stdout
        table = pyarrow.ipc.open_stream(sampled).read_all()
        assert [int(line) for line in table["text"].to_pylist()] == expected, seed


def main():
    if sys.argv[1:] == ["formats"]:
        generator = random.Random(2)
        compare_written(generator)
        compare_raw(generator)
        compare_json(generator)
        compare_lines(generator)
        compare_samples()
    else:
        compare_archives(sys.argv[1] if len(sys.argv) > 1 else "")


main()
