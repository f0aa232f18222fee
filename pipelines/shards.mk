# shards.mk: the text side over many processes or machines: TEXT, a file of text records, is cut into shards, `shard` beside
# this file makes chunks of each, and rec-cat joins them into OUT: the same bytes as wordpiece and group-texts write of TEXT.
#
#     imdb-read --split train aclImdb_v1.tar.gz > text.arrows
#     make -f pipelines/shards.mk -j 4 TEXT=text.arrows MODEL=distilbert-base-uncased OUT=chunks.arrows
#
# Over machines that have the folder in common, the shards can also go through GNU parallel, as many at a time as there are
# jobs named before each host; or through Slurm, by shards.sbatch:
#
#     make -f pipelines/shards.mk shards TEXT=text.arrows OUT=chunks.arrows
#     ls chunks.arrows.shards/text-*.arrows | MODEL=distilbert-base-uncased parallel --sshlogin 16/node1,16/node2 \
#         --workdir . --env PATH --env MODEL pipelines/shard {} '{=s:/text-:/chunks-:=}'
#     make -f pipelines/shards.mk TEXT=text.arrows MODEL=distilbert-base-uncased OUT=chunks.arrows
#
# What is made already is not made again. A text that is younger than the shards is cut anew.

TEXT = text.arrows
MODEL = distilbert-base-uncased
CHUNK_SIZE = 128
SHARDS = 4
OUT = chunks.arrows
# Of each process; make -j says how many processes there are.
THREADS = 1

shards_makefile := $(lastword $(MAKEFILE_LIST))
shards_stages := $(dir $(shards_makefile))shard
shards_folder = $(OUT).shards
shards_names := $(shell seq -f '%05.0f-of-$(shell printf %05d $(SHARDS)).arrows' 0 $$(($(SHARDS) - 1)))
shards_texts = $(shards_names:%=$(shards_folder)/text-%)

export MODEL CHUNK_SIZE THREADS

$(OUT): $(shards_names:%=$(shards_folder)/chunks-%)
	rec-cat $^ > $@.part
	mv $@.part $@

$(shards_folder)/chunks-%: $(shards_folder)/text-%
	$(shards_stages) $< $@

shards: $(shards_texts)

$(shards_texts) &: $(TEXT)
	mkdir -p $(shards_folder)
	split-records --shards $(SHARDS) --out $(shards_folder)/text $<

.PHONY: shards
.SECONDARY:
.DELETE_ON_ERROR:
