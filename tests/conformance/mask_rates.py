# How often wwm-mask and random-mask choose, and what becomes of those chosen, over five million positions: each number
# within five standard deviations of its binomial distribution.
import io, subprocess, sys
import numpy as np
import pyarrow as pa

RECORDS, LENGTH, VOCABULARY, MASK = 40000, 128, 1000, 4
folder = sys.argv[1]
generator = np.random.default_rng(8)
failures = 0


def check(what, hits, trials, p):
    global failures
    bound = 5 * np.sqrt(trials * p * (1 - p)) + 1e-6
    if abs(hits - trials * p) > bound:
        print(f"{what}: {hits} of {trials}, expected {trials * p:.0f} +- {bound:.0f}")
        failures += 1


def lists(values, null=None):
    offsets = pa.array(np.arange(0, RECORDS * LENGTH + 1, LENGTH, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), pa.int32(), mask=null))


def masked(tool, stream, *options):
    out = subprocess.run([tool, "--model", folder, *options], input=stream, stdout=subprocess.PIPE, check=True).stdout
    table = pa.ipc.open_stream(out).read_all()
    return [table[name].combine_chunks().values.to_numpy().reshape(RECORDS, LENGTH) for name in ("input_ids", "labels")]


# Words of 1, 2, ... tokens, each token ending its word by a chance of 0.7; one position in 40 is special.
special = generator.random((RECORDS, LENGTH)) < 0.025
ids = np.where(special, 3, generator.integers(5, VOCABULARY, (RECORDS, LENGTH))).astype(np.int32)
begins = generator.random((RECORDS, LENGTH)) < 0.7
begins[:, 1:] |= special[:, :-1]
begins[:, 0] = True
begins &= ~special
word_ids = (np.cumsum(begins, axis=1) - 1).astype(np.int32)
sink = io.BytesIO()
table = pa.table({"input_ids": lists(ids), "word_ids": lists(word_ids, special.ravel())})
with pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table, max_chunksize=1000)

for tool, heads, probability, mask_rate, random_rate, options in (
        ("wwm-mask", begins, 0.2, 1.0, 0.0, ()), ("random-mask", ~special, 0.15, 0.8, 0.1, ()),
        ("wwm-mask", begins, 0.3, 0.8, 0.1, ("--wwm-probability", "0.3", "--mask-rate", "0.8", "--random-rate", "0.1"))):
    what = f"{tool} at {probability}"
    new, labels = masked(tool, sink.getvalue(), "--seed", "11", *options)
    chosen = labels != -100
    units = np.cumsum(heads) - 1  # of every position, in the whole stream
    whole = np.where(special.ravel(), -1, units)
    by_unit = chosen.ravel()[heads.ravel()]
    if not ((labels == ids) | ~chosen).all() or not ((new == ids) | chosen).all() or (chosen & special).any():
        print(f"{what}: a label is not the token, or a token changed that has none, or a special token was chosen")
        failures += 1
    if not (by_unit[whole[whole >= 0]] == chosen.ravel()[whole >= 0]).all():
        print(f"{what}: a word was torn")
        failures += 1
    trials = len(by_unit)
    assert trials > 3_000_000
    check(f"{what}: chosen", by_unit.sum(), trials, probability)
    for position in range(LENGTH):
        at = heads[:, position]
        check(f"{what}: chosen at position {position}", chosen[at, position].sum(), at.sum(), probability)
    for distance in (1, 2, 3, 4, 7):
        both = by_unit[distance:] & by_unit[:-distance]
        check(f"{what}: chosen {distance} apart", both[::distance + 1].sum(), len(both[::distance + 1]), probability ** 2)
    counts, of = (chosen & heads).sum(axis=1), heads.sum(axis=1)
    square = ((counts - of * probability) ** 2 / (of * probability * (1 - probability))).sum()
    if abs(square - RECORDS) > 5 * np.sqrt(2 * RECORDS) * 1.05:
        print(f"{what}: records vary by {square / RECORDS:.4f} of what they should")
        failures += 1
    # What became of the tokens chosen: a random one is [MASK] or what it was by a chance of one in the vocabulary each.
    at = heads & chosen
    total, chance = at.sum(), random_rate / VOCABULARY
    check(f"{what}: [MASK]", (new[at] == MASK).sum(), total, mask_rate + chance)
    check(f"{what}: kept", (new[at] == ids[at]).sum(), total, 1 - mask_rate - random_rate + chance)
    drawn = new[at & (new != MASK) & (new != ids)]
    check(f"{what}: random", len(drawn), total, random_rate - 2 * chance)
    if random_rate > 0:
        seen = np.bincount(drawn, minlength=VOCABULARY)[np.arange(VOCABULARY) != MASK]
        square = ((seen - seen.mean()) ** 2 / seen.mean()).sum()
        if abs(square - len(seen)) > 5 * np.sqrt(2 * len(seen)):
            print(f"{what}: random tokens vary by a chi-square of {square:.0f}, expected {len(seen)}")
            failures += 1
sys.exit(failures > 0)
