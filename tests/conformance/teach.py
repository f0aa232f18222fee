"""teach.py MODEL TAUGHT: prints how the answers in a stream differ from those of transformers, and fails where they do.

teach.py MODEL MASKED OUT: a teacher in Python, which writes masked records with its answers."""
import sys

import numpy as np
import pyarrow as pa
import torch
from transformers import AutoModelForMaskedLM

model = AutoModelForMaskedLM.from_pretrained(sys.argv[1]).eval()
reader = pa.ipc.open_stream(pa.OSFile(sys.argv[2]))
table = reader.read_all()


def answers(record):
    """The logits at labels [M, V], and the states of attended tokens [A, C]."""
    mask = torch.tensor([record.get("attention_mask") or [1] * len(record["input_ids"])])
    with torch.no_grad():
        out = model(input_ids=torch.tensor([record["input_ids"]]), attention_mask=mask, output_hidden_states=True)
    labelled = torch.tensor(record["labels"]) >= 0
    return out.logits[0][labelled].numpy(), out.hidden_states[-1][0][mask[0] > 0].numpy()


rows = table.to_pylist()
if len(sys.argv) > 3:
    logits, states = zip(*(answers(row) for row in rows))
    floats = pa.list_(pa.float32())
    for name, values in ("teacher_logits", logits), ("teacher_hidden_states", states):
        table = table.append_column(name, pa.array([value.ravel() for value in values], floats))
    with pa.ipc.new_stream(sys.argv[3], table.schema) as writer:
        writer.write_table(table)
    sys.exit()
worst = 0.0
for row in rows:
    for got, right in zip((row["teacher_logits"], row["teacher_hidden_states"]), answers(row)):
        assert len(got) == right.size, f"{len(got)} numbers, expected {right.size}"
        worst = max(worst, float(np.abs(np.array(got) - right.ravel()).max(initial=0)))
print(f"off by {worst:g}")
sys.exit(worst > 2e-5)
