# whole-imdb.mk: the settings for all 100,000 reviews of the archive. Copy this file, change it, and
# `make imdb SETTINGS=YOUR_FILE`; a setting may also follow the command: make whole-imdb EPOCHS=1
IMDB = run/whole-imdb
SPLIT = all
TRAIN_SIZE = 0.95
TEST_SIZE = 0.05
# The hours that it takes on this machine are estimated from so many steps, and told before the run.
ESTIMATE_STEPS = 3
