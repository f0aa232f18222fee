# own-text.mk: the settings for a text of one's own: a CSV file, JSON lines, Arrow, a folder of .txt files. Copy this
# file, change it, and `make imdb SETTINGS=YOUR_FILE`; a setting may also follow the command:
#
#     make own-text TEXT=tickets.csv READ_OPTIONS='--text-column body' MODEL=bert-base-uncased
IMDB = run/own-text
DATA = $(or $(TEXT),$(error TEXT=FILE: the file or folder with the texts is missing))
SPLIT = all
TRAIN_SIZE = 0.9
TEST_SIZE = 0.1
