# accelerate.mk: the settings of the reference's loop with Accelerate. Copy this file, change it, and
# `make imdb SETTINGS=YOUR_FILE`; a setting may also follow the command: make accelerate EPOCHS=10
IMDB = run/accelerate
MASK = random
MLM_PROBABILITY = 0.15
EPOCHS = 3
BATCH_SIZE = 64
LEARNING_RATE = 5e-5
# AdamW(model.parameters(), lr=5e-5): every parameter decays, biases and layer norms too.
WEIGHT_DECAY = 0.01
# The model after each epoch is kept, and the best one is the result.
KEEP_EPOCHS = yes
TRAIN_OPTIONS = --decay-all --lr-scheduler-type linear --load-best-model-at-end
