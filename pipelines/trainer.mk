# trainer.mk: the settings of the reference's run with its Trainer. Copy this file, change it, and
# `make imdb SETTINGS=YOUR_FILE`; a setting may also follow the command: make trainer EPOCHS=1
IMDB = run/trainer
# Random tokens are masked, others in each epoch; the records to evaluate on are masked once.
MASK = random
MLM_PROBABILITY = 0.15
EPOCHS = 3
BATCH_SIZE = 64
LEARNING_RATE = 2e-5
WEIGHT_DECAY = 0.01
