"""Goes on from a checkpoint of train-step with transformers.Trainer: resume.py CHECKPOINT RECORDS.jsonl

The Trainer takes the weights and the place in the run; the optimizer's moments are in a file that it does not read.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForMaskedLM, Trainer, TrainingArguments, logging

logging.set_verbosity_error()
checkpoint, records = sys.argv[1:3]
rows = [json.loads(line) for line in open(records)]
first_epoch = [row for row in rows if row["epoch"] == 1]
seen = []


def collate(rows):
    width = max(len(row["input_ids"]) for row in rows)
    pad = lambda values, filler: values + [filler] * (width - len(values))
    seen.append(len(rows))
    return {
        "input_ids": torch.tensor([pad(row["input_ids"], 0) for row in rows]),
        "attention_mask": torch.tensor([pad([1] * len(row["input_ids"]), 0) for row in rows]),
        "labels": torch.tensor([pad(row["labels"], -100) for row in rows]),
    }


arguments = TrainingArguments(
    output_dir="trainer", per_device_train_batch_size=2, gradient_accumulation_steps=2, num_train_epochs=2, save_steps=4,
    logging_steps=1, learning_rate=1e-3, report_to=[], disable_tqdm=True, use_cpu=True, dataloader_pin_memory=False,
    remove_unused_columns=False)
trainer = Trainer(model=AutoModelForMaskedLM.from_pretrained(checkpoint), args=arguments, train_dataset=first_epoch,
                  data_collator=collate)
before = [p.detach().clone() for p in trainer.model.parameters()]
trainer.train(resume_from_checkpoint=checkpoint)
assert trainer.state.global_step == 16 and trainer.state.num_train_epochs == 2, trainer.state
steps = [entry["step"] for entry in trainer.state.log_history if "loss" in entry]
assert steps == list(range(1, 17)), steps
assert any(not torch.equal(a, b) for a, b in zip(before, trainer.model.parameters()))
