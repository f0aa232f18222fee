# imdb.mk: the tutorial's run, from the IMDB archive to a fine-tuned model. Each file is made once; make goes on where
# it stopped.
#
#     make imdb DATA=aclImdb_v1.tar.gz MODEL=distilbert-base-uncased EPOCHS=3
#     make fetch MODEL=distilbert-base-uncased
#
# Without DATA the archive is downloaded, without MODEL distilbert-base-uncased from the hub (HF_ENDPOINT). For another
# DATA, MODEL or option name another folder as well: IMDB=run/other.
#
# A makefile of one's own may include it from where `make install` puts it, PREFIX/share/cloze/imdb.mk; the tools are then
# those on PATH.

IMDB = run/imdb
DATA = run/downloads/aclImdb_v1.tar.gz
MODEL = run/downloads/distilbert-base-uncased
SPLIT = train
CHUNK_SIZE = 128
TRAIN_SIZE = 1000
TEST_SIZE = 100
EPOCHS = 3
BATCH_SIZE = 64
LEARNING_RATE = 5e-5
WWM_PROBABILITY = 0.2
SEED = 42

HF_ENDPOINT ?= https://huggingface.co
imdb_archive = https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz
imdb_archive_md5 = 7c2ac02c03563afcf9b574c7e56c153a
hub_files = config.json tokenizer.json tokenizer_config.json vocab.txt model.safetensors

imdb_folder := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
imdb_path := $(if $(BIN),$(abspath $(BIN)):)$(abspath $(imdb_folder)):$(PATH)
imdb_empty :=
# Names of files as prerequisites, where a space has to be marked.
imdb_inputs = $(subst $(imdb_empty) $(imdb_empty),\ ,$(DATA)) $(subst $(imdb_empty) $(imdb_empty),\ ,$(MODEL))

# A stage that fails must fail its pipe; what it wrote keeps the suffix .part.
$(IMDB)/% run/downloads/%: SHELL = /bin/bash
$(IMDB)/% run/downloads/%: .SHELLFLAGS = -o pipefail -c
$(IMDB)/% run/downloads/%: export PATH := $(imdb_path)

# In the source tree, what installs the dependencies and builds the tools; the makefile there sets these.
imdb_downloads ?= :
imdb_ready ?= :

imdb:
	@[ -e "$(DATA)" ] && [ -e "$(MODEL)" ] || $(imdb_downloads)
	@$(imdb_ready)
	@$(MAKE) --no-print-directory $(IMDB)/report.txt
	@cat $(IMDB)/report.txt

run/downloads/aclImdb_v1.tar.gz:
	FETCH_MD5=$(imdb_archive_md5) fetch $(imdb_archive) $@

# A model folder of the hub, as NAME or OWNER/NAME.
run/downloads/%:
	for file in $(hub_files); do \
		fetch $(HF_ENDPOINT)/$*/resolve/main/$$file $@.part/$$file || exit; \
	done
	mv $@.part $@

fetch:
	@$(imdb_downloads)
	@$(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) run/downloads/$(MODEL:run/downloads/%=%)

$(IMDB)/chunks.arrows: | $(imdb_inputs)
	@mkdir -p $(@D)
	imdb-read --split $(SPLIT) "$(DATA)" | wordpiece --model "$(MODEL)" \
		| group-texts --chunk-size $(CHUNK_SIZE) > $@.part
	@mv $@.part $@

$(IMDB)/train.arrows: $(IMDB)/chunks.arrows
	split-records --train-size $(TRAIN_SIZE) --test-size $(TEST_SIZE) --seed $(SEED) \
		--test-out $(@D)/test.arrows < $< > $@.part
	@mv $@.part $@

$(IMDB)/eval.arrows: $(IMDB)/train.arrows
	wwm-mask --wwm-probability $(WWM_PROBABILITY) --seed 7 < $(@D)/test.arrows > $@.part
	@mv $@.part $@

$(IMDB)/before.txt: $(IMDB)/eval.arrows
	perplexity --model "$(MODEL)" < $< > $@.part
	@mv $@.part $@

# train-step puts the model in place when it is whole, and only then. Ctrl-C leaves a checkpoint, from which the next
# make goes on. Steps that a killed run had printed and not saved come again: the last line of each is kept.
$(IMDB)/metrics.jsonl: $(IMDB)/eval.arrows
	shuffle-records --epochs $(EPOCHS) --seed 1 < $(@D)/train.arrows \
		| wwm-mask --wwm-probability $(WWM_PROBABILITY) --seed 2 \
		| train-step --model "$(MODEL)" --out $(@D)/model --resume --lr $(LEARNING_RATE) --batch-size $(BATCH_SIZE) \
			--eval $(@D)/eval.arrows --save-total-limit 1 --seed 3 >> $@.part
	@tac $@.part | awk '{ line = $$0; sub(/, "tokens_per_second.*/, ""); if (!seen[$$0]++) print line }' | tac > $@.once
	@mv $@.once $@ && rm $@.part

$(IMDB)/after.txt: $(IMDB)/metrics.jsonl
	perplexity --model $(@D)/model < $(@D)/eval.arrows > $@.part
	@mv $@.part $@

$(IMDB)/report.txt: $(IMDB)/before.txt $(IMDB)/after.txt
	@{ \
		echo "before:  $$(cat $(@D)/before.txt)"; \
		grep eval_loss $(@D)/metrics.jsonl; \
		echo "after:   $$(cat $(@D)/after.txt)"; \
		echo 'This is a great [MASK].'; \
		echo 'This is a great [MASK].' | fill-mask --model $(@D)/model; \
	} > $@.part
	@mv $@.part $@

.PHONY: imdb fetch
.DELETE_ON_ERROR:
