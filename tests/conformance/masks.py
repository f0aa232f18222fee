# Masks computed here, from the published definition of Philox4x32-10 and the manual pages, beside those of wwm-mask and
# random-mask, on records that come in several types and batches.
import io, random, subprocess, sys
import pyarrow as pa

random.seed(6)
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"t{i}" for i in range(995)]
SPECIAL, MASK = range(5), 4
PURPOSE_MASK, PURPOSE_REPLACE, PURPOSE_TOKEN = 1, 2, 5


def philox(seed, purpose, major, minor):
    k0, k1 = seed & 0xffffffff, seed >> 32
    c = [minor, purpose, major & 0xffffffff, major >> 32]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k0, p1 & 0xffffffff, p0 >> 32 ^ c[3] ^ k1, p0 & 0xffffffff]
        k0, k1 = (k0 + 0x9E3779B9) & 0xffffffff, (k1 + 0xBB67AE85) & 0xffffffff
    return c


def word(seed, purpose, record, n):
    return philox(seed, purpose, record, n // 4)[n % 4] / 2**32


# The units of a record: (number, positions).
def words(ids, word_ids):
    units, before = [], None
    for i, w in enumerate(word_ids):
        if w is not None:
            if w != before:
                units.append((len(units), []))
            units[-1][1].append(i)
        before = w
    return units


def tokens(ids, word_ids):
    return [(i, [i]) for i, old in enumerate(ids) if old not in SPECIAL]


def mask(units, seed, record, ids, probability, mask_rate, random_rate, at_least_one=False, excluded=()):
    units = [u for u in units if not any(ids[i] in excluded for i in u[1])]
    ids, labels = list(ids), [-100] * len(ids)
    chances = {n: word(seed, PURPOSE_MASK, record, n) for n, _ in units}
    chosen = [u for u in units if chances[u[0]] < probability]
    if at_least_one and not chosen and units:
        chosen = [min(units, key=lambda u: chances[u[0]])]
    for n, positions in chosen:
        what = word(seed, PURPOSE_REPLACE, record, n)
        for i in positions:
            labels[i] = ids[i]
            if what < mask_rate:
                ids[i] = MASK
            elif what < mask_rate + random_rate:
                ids[i] = int(word(seed, PURPOSE_TOKEN, record, i) * len(VOCABULARY))
    return {"input_ids": ids, "labels": labels}


def document():
    word_ids = [None]
    for w in range(random.choice([0, 1, 3, 60])):
        word_ids += [w] * random.choice([1, 1, 2, 4]) + [None] * (random.random() < 0.1)
    return [3 if w is None else random.randrange(1, 1000) for w in word_ids], word_ids


def as_stream(table, rows):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


folder = sys.argv[1]
open(folder + "/vocab.txt", "w").write("".join(t + "\n" for t in VOCABULARY))
documents = [document() for _ in range(700)]
extra = list(range(len(documents)))
failures = 0
excluded = [7, 8, 500, *range(900, 999)]
open(folder + "/excluded", "w").write("\n".join(VOCABULARY[i] for i in excluded))
NONE, ONE, EXCLUDE = [], ["--at-least-one"], ["--exclude", folder + "/excluded"]
for tool, units, probability, rates, more, seed in [
        ("wwm-mask", words, 0.2, None, NONE, 7), ("wwm-mask", words, 0.75, None, NONE, 2**40 + 3),
        ("wwm-mask", words, 0.3, (0.8, 0.1), NONE, 1), ("wwm-mask", words, 0.1, (0.0, 0.5), ONE + EXCLUDE, 1),
        ("wwm-mask", words, 0.0, None, ONE, 1), ("wwm-mask", words, 1.0, None, EXCLUDE, 1),
        ("random-mask", tokens, 0.15, None, NONE, 7), ("random-mask", tokens, 0.9, None, NONE, 2**53),
        ("random-mask", tokens, 0.5, (0.0, 1.0), NONE, 3), ("random-mask", tokens, 0.01, (1.0, 0.0), ONE + EXCLUDE, 3)]:
    option = {"wwm-mask": "--wwm-probability", "random-mask": "--mlm-probability"}[tool]
    options = ["--model", folder, option, str(probability), "--seed", str(seed), *more]
    if rates is not None:
        options += ["--mask-rate", str(rates[0]), "--random-rate", str(rates[1])]
    outputs = set()
    for rows in 1, 113, 5000:
        for ids, kind, null in (pa.int32(), pa.list_, None), (pa.int64(), pa.large_list, -1):
            table = pa.table({
                "weight": pa.array(extra, pa.float32()),
                "input_ids": pa.array([d[0] for d in documents], kind(ids)),
                "labels": pa.array([d[0] for d in documents], kind(ids)),
                "word_ids": pa.array([[null if w is None else w for w in d[1]] for d in documents], kind(ids))})
            outputs.add(subprocess.run([tool, *options], input=as_stream(table, rows), stdout=subprocess.PIPE,
                                       check=True).stdout)
    if len(outputs) != 1:
        print(f"{tool} {options}: {len(outputs)} outputs of one input in several types and batches")
        failures += 1
    found = pa.ipc.open_stream(outputs.pop()).read_all().to_pylist()
    rates = rates or {"wwm-mask": (1, 0), "random-mask": (0.8, 0.1)}[tool]
    expected = [mask(units(*d), seed, record, d[0], probability, *rates, ONE[0] in more, EXCLUDE[0] in more and excluded
                     or ()) | {"weight": extra[record]} for record, d in enumerate(documents)]
    if found != expected:
        first = next(i for i, (f, e) in enumerate(zip(found, expected)) if f != e)
        print(f"{tool} {options}, record {first}: {found[first]}, expected {expected[first]}")
        failures += 1
sys.exit(failures > 0)
