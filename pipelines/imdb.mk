# imdb.mk: from an archive of reviews, or a text of one's own, to a fine-tuned model and a report on it.
#
#     make imdb DATA=aclImdb_v1.tar.gz MODEL=distilbert-base-uncased EPOCHS=3
#     make trainer | accelerate | whole-imdb        the same with the settings of trainer.mk and so on, beside this file
#     make own-text TEXT=my.csv MODEL=bert-base-uncased
#     make imdb SETTINGS=mine.mk                    with a copy of one of these files
#     make sentiment, make distill                  see sentiment.mk and distill.mk
#     make fetch MODEL=bert-base-uncased            a model of the hub into run/downloads
#     make hub                                      the run's model as a folder for the hub, run-DIGEST/hub
#     make push REPO=owner/name                     pushes it, as git and git-lfs do
#
# Without DATA the archive is downloaded, without MODEL distilbert-base-uncased from the hub.
#
# The name of each file in IMDB ends with a digest of the settings that the file depends on, and a file that is there is
# not made again. So a changed setting makes anew just what depends on it, an older run stays what it was, and make goes
# on with a run that was stopped. IMDB/run-DIGEST/ is a run, with its settings in settings.mk; IMDB/latest is a link to
# the one that was finished last.
#
# A makefile of one's own may include it from where `make install` puts it, PREFIX/share/cloze/imdb.mk; the tools are
# then those on PATH.

IMDB = run/imdb
DATA = $(imdb_download)
MODEL = distilbert-base-uncased
SPLIT = train
READ_OPTIONS =
CHUNK_SIZE = 128
TRAIN_SIZE = 1000
TEST_SIZE = 100
SEED = 42
MASK = wwm
WWM_PROBABILITY = 0.2
MLM_PROBABILITY = 0.15
EPOCHS = 3
BATCH_SIZE = 64
LEARNING_RATE = 5e-5
WEIGHT_DECAY = 0.01
# yes: the model after each epoch is kept, as run-DIGEST/model/checkpoint-STEP.
KEEP_EPOCHS =
TRAIN_OPTIONS =
# Steps that are taken first, and thrown away, to estimate how long the run takes; 0: no estimate.
ESTIMATE_STEPS = 0
# What the hub calls the model and the data, for the model card; known of what was fetched, and of the IMDB archive.
BASE_MODEL =
DATASET =
# The repository to push to, and whether the models after each epoch (KEEP_EPOCHS=yes) are pushed too, a commit each.
REPO =
PUSH_EPOCHS =

HF_ENDPOINT ?= https://huggingface.co
imdb_download = run/downloads/aclImdb_v1.tar.gz
imdb_archive = https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz
imdb_archive_md5 = 7c2ac02c03563afcf9b574c7e56c153a

imdb_makefile := $(firstword $(MAKEFILE_LIST))
imdb_folder := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
imdb_path := $(if $(BIN),$(abspath $(BIN)):)$(abspath $(imdb_folder)):$(PATH)
imdb_make = $(MAKE) --no-print-directory -f $(imdb_makefile)

# A text as one word of the shell; a name of a file as one word of make.
imdb_empty :=
imdb_quote = '$(subst ','\'',$(1))'
imdb_name = $(subst $(imdb_empty) $(imdb_empty),\ ,$(1))

# In the source tree, what installs the dependencies and builds the tools; the makefile there sets these.
imdb_downloads ?= :
imdb_ready ?= :
imdb_pushes ?= :

SETTINGS =
ifneq ($(SETTINGS),)
$(if $(wildcard $(call imdb_name,$(SETTINGS))),,$(error SETTINGS=$(SETTINGS): no such file \
	(copy one of $(imdb_folder)/trainer.mk, accelerate.mk, whole-imdb.mk, own-text.mk)))
include $(call imdb_name,$(SETTINGS))
endif

# A folder, or the name of one of the hub that was fetched or that nobody had to name.
imdb_fetched := run/downloads/$(MODEL)
imdb_model := $(if $(wildcard $(call imdb_name,$(MODEL))),$(MODEL),$(imdb_fetched))

imdb-inputs:
	@[ -e $(call imdb_quote,$(DATA)) ] || [ $(call imdb_quote,$(DATA)) = $(imdb_download) ] || { \
		echo "make: DATA="$(call imdb_quote,$(DATA))": no such file or folder" \
			"(name an archive, a folder or a file of texts; without DATA the IMDB archive is downloaded)" >&2; exit 1; }
	@[ -d $(call imdb_quote,$(imdb_model)) ] || [ $(call imdb_quote,$(MODEL)) = distilbert-base-uncased ] || { \
		echo "make: MODEL="$(call imdb_quote,$(MODEL))": no such folder" \
			"(make fetch MODEL=NAME gets a model of the hub; without MODEL it is distilbert-base-uncased)" >&2; exit 1; }
	@[ -e $(call imdb_quote,$(DATA)) ] && [ -d $(call imdb_quote,$(imdb_model)) ] || $(imdb_downloads)
	@$(imdb_ready)
	@[ -e $(call imdb_quote,$(DATA)) ] || PATH=$(call imdb_quote,$(imdb_path)) FETCH_MD5=$(imdb_archive_md5) \
		fetch $(imdb_archive) $(imdb_download)
	@[ -d $(call imdb_quote,$(imdb_model)) ] || PATH=$(call imdb_quote,$(imdb_path)) HF_ENDPOINT=$(HF_ENDPOINT) \
		fetch-model $(call imdb_quote,$(MODEL)) $(call imdb_quote,$(imdb_fetched))

imdb: imdb-inputs
	@$(imdb_make) imdb-run

hub push: imdb
	@$(imdb_make) imdb-$@

# What a push needs is looked for before the hours that training takes.
ifneq ($(filter push sentiment-push distill-push,$(MAKECMDGOALS)),)
imdb-inputs: imdb-repository
endif
imdb-repository:
	@[ -n $(call imdb_quote,$(REPO)) ] || { \
		echo 'make: REPO=OWNER/NAME: the repository to push to is missing' >&2; exit 1; }
	@$(imdb_pushes)
	@PATH=$(call imdb_quote,$(imdb_path)) push-model $(call imdb_quote,$(REPO))

trainer accelerate whole-imdb own-text:
	@$(imdb_make) imdb SETTINGS=$(call imdb_quote,$(imdb_folder)/$@.mk)

fetch:
	@$(imdb_downloads)
	@PATH=$(call imdb_quote,$(imdb_path)) HF_ENDPOINT=$(HF_ENDPOINT) \
		fetch-model $(call imdb_quote,$(MODEL:run/downloads/%=%)) $(call imdb_quote,run/downloads/$(MODEL:run/downloads/%=%))

.PHONY: imdb imdb-inputs imdb-repository hub push trainer accelerate whole-imdb own-text fetch imdb-run imdb-hub imdb-push

# ---- the run itself, in a make of its own, for which the data and the model are there -------------------------------

imdb_steps = imdb-run imdb-hub imdb-push $(foreach flow,sentiment distill,$(flow)-run $(flow)-hub-run $(flow)-push-run)
ifneq ($(filter $(imdb_steps),$(MAKECMDGOALS)),)

# A stage that fails fails its pipe; what it wrote keeps the suffix .part.
SHELL = /bin/bash
.SHELLFLAGS = -eo pipefail -c
export PATH := $(imdb_path)
.DELETE_ON_ERROR:

# Which file a name stands for: sizes and times, since another file may come to be called so.
imdb_which = $(shell stat -L -c '%n %s %Y' $(1) 2> /dev/null)
imdb_data_is := $(call imdb_which,$(call imdb_quote,$(DATA)))
imdb_model_is := $(call imdb_which,$(call imdb_quote,$(imdb_model))/{*.json,*.txt,*.safetensors})

# What each step depends on: the settings that it uses, and those of the steps before it.
imdb_chunks_settings = DATA MODEL SPLIT READ_OPTIONS CHUNK_SIZE
imdb_split_settings = $(imdb_chunks_settings) TRAIN_SIZE TEST_SIZE SEED
imdb_eval_settings = $(imdb_split_settings) MASK $(if $(filter wwm,$(MASK)),WWM_PROBABILITY,MLM_PROBABILITY)
imdb_run_settings = $(imdb_eval_settings) EPOCHS BATCH_SIZE LEARNING_RATE WEIGHT_DECAY KEEP_EPOCHS TRAIN_OPTIONS

imdb_lines = $(foreach name,$(1),$(call imdb_quote,$(name) = $($(name))))
imdb_words = $(foreach name,$(1),$(call imdb_quote,$(name)=$($(name))))
imdb_digest = $(shell printf '%s\n' $(call imdb_quote,$(imdb_data_is)) $(call imdb_quote,$(imdb_model_is)) \
	$(call imdb_lines,$(1)) | sha256sum | cut -c 1-8)

chunks := $(IMDB)/chunks-$(call imdb_digest,$(imdb_chunks_settings)).arrows
split := $(call imdb_digest,$(imdb_split_settings))
train := $(IMDB)/train-$(split).arrows
test := $(IMDB)/test-$(split).arrows
masks := $(call imdb_digest,$(imdb_eval_settings))
eval := $(IMDB)/eval-$(masks).arrows
before := $(IMDB)/before-$(masks).txt
run := $(IMDB)/run-$(call imdb_digest,$(imdb_run_settings))

imdb_mask_wwm = wwm-mask --wwm-probability $(WWM_PROBABILITY)
imdb_mask_random = random-mask --mlm-probability $(MLM_PROBABILITY)
imdb_mask = $(or $(imdb_mask_$(MASK)),$(error MASK=$(MASK): it is wwm or random))
imdb_train_options = --lr $(LEARNING_RATE) --weight-decay $(WEIGHT_DECAY) --batch-size $(BATCH_SIZE) --seed 3 \
	$(TRAIN_OPTIONS)
imdb_masked = shuffle-records --epochs $(EPOCHS) --seed 1 < '$(train)' | $(imdb_mask) --seed 2
# Where every model is kept, a checkpoint an epoch; where not, the newest, for a run that is stopped.
imdb_save = $(if $(filter yes,$(KEEP_EPOCHS)),--save-steps $$((($(imdb_records) - 1) / $(BATCH_SIZE) + 1)),\
	--save-total-limit 1)
imdb_count = $$(rec-dump --info '$(1)' | sed -n 's/^  "records": \([0-9]*\).*/\1/p')
imdb_records = $(call imdb_count,$(train))

imdb-run: imdb-announce $(call imdb_name,$(run)/report.txt) $(call imdb_name,$(run)/report.json)
	@ln -sfn "$$(basename '$(run)')" '$(IMDB)/latest'
	@cat '$(run)/report.txt'

# Which run this is; others that were begun and not finished are named, so that none is forgotten.
imdb-announce:
	@mkdir -p '$(run)'
	@printf '%s\n' '# The settings of this run: make imdb SETTINGS=THIS_FILE goes on with it.' 'IMDB = $(IMDB)' \
		$(call imdb_lines,$(imdb_run_settings)) | sed '2,$$ { s/[$$]/$$$$/g; s/#/\\#/g; }' > '$(run)/settings.mk'
	@if [ -e '$(run)/report.txt' ]; then state='is done already'; \
	elif ls '$(run)'/metrics.jsonl* > /dev/null 2>&1; then state='goes on where it stopped'; \
	else state='begins'; fi; \
	printf '%s' '$(run)' " $$state:"; \
	printf ' %s' $(call imdb_words,$(imdb_run_settings)); echo
	@for other in '$(IMDB)'/run-*; do [ "$$other" = '$(run)' ] || [ -e "$$other/report.txt" ] || \
		echo "$$other is not finished (make imdb SETTINGS='$$other/settings.mk' goes on with it)"; done

$(call imdb_name,$(chunks)):
	imdb-read --split $(SPLIT) $(READ_OPTIONS) $(call imdb_quote,$(DATA)) \
		| wordpiece --model $(call imdb_quote,$(imdb_model)) \
		| group-texts --chunk-size $(CHUNK_SIZE) > '$@.part'
	@mv '$@.part' '$@'

$(call imdb_name,$(train)): $(call imdb_name,$(chunks))
	split-records --train-size $(TRAIN_SIZE) --test-size $(TEST_SIZE) --seed $(SEED) \
		--test-out '$(test)' < '$<' > '$@.part'
	@mv '$@.part' '$@'

$(call imdb_name,$(eval)): $(call imdb_name,$(train))
	$(imdb_mask) --seed 7 < '$(test)' > '$@.part'
	@mv '$@.part' '$@'

$(call imdb_name,$(before)): $(call imdb_name,$(eval))
	perplexity --model $(call imdb_quote,$(imdb_model)) < '$<' > '$@.part'
	@mv '$@.part' '$@'

# The time that a few steps take, and how many there are. The first step also waits for the model's file to be read.
$(call imdb_name,$(run)/estimate.txt): $(call imdb_name,$(eval))
	@rm -rf '$(run)/estimate'
	{ $(imdb_masked) || true; } 2> /dev/null \
		| train-step --model $(call imdb_quote,$(imdb_model)) --out '$(run)/estimate' $(imdb_train_options) \
			--max-steps $(ESTIMATE_STEPS) > '$@.part'
	@rm -rf '$(run)/estimate'
	@sed -n '$$ s/.*"tokens_per_second": \([0-9.e+]*\).*/\1/p' '$@.part' | awk -v records="$(imdb_records)" '{ \
		tokens = records * $(CHUNK_SIZE) * $(EPOCHS); \
		printf "estimate: %.2f hours of training, for %d chunks in %s epochs at %s tokens a second\n", \
			tokens / $$1 / 3600, records, "$(EPOCHS)", $$1 }' > '$@.new'
	@rm '$@.part' && mv '$@.new' '$@'
	@cat '$@'

# train-step puts the model in place when it is whole, and only then. Ctrl-C leaves a checkpoint, from which the next
# make goes on. Steps that a killed run had printed and not saved come again: the last line of each is kept.
$(call imdb_name,$(run)/metrics.jsonl): $(call imdb_name,$(eval)) \
		$(if $(filter-out 0,$(ESTIMATE_STEPS)),$(call imdb_name,$(run)/estimate.txt))
	$(imdb_masked) \
		| train-step --model $(call imdb_quote,$(imdb_model)) --out '$(run)/model' --resume $(imdb_train_options) \
			--eval '$(eval)' $(imdb_save) >> '$@.part'
	@tac '$@.part' | awk '{ line = $$0; sub(/, "tokens_per_second.*/, ""); if (!seen[$$0]++) print line }' \
		| tac > '$@.once'
	@mv '$@.once' '$@' && rm '$@.part'

$(call imdb_name,$(run)/after.txt): $(call imdb_name,$(run)/metrics.jsonl)
	perplexity --model '$(run)/model' < '$(eval)' > '$@.part'
	@mv '$@.part' '$@'

$(call imdb_name,$(run)/report.txt): $(call imdb_name,$(before)) $(call imdb_name,$(run)/after.txt)
	@{ \
		echo "before:  $$(cat '$(before)')"; \
		grep eval_loss '$(run)/metrics.jsonl'; \
		echo "after:   $$(cat '$(run)/after.txt')"; \
		echo 'This is a great [MASK].'; \
		echo 'This is a great [MASK].' | fill-mask --model '$(run)/model'; \
	} > '$@.part'
	@mv '$@.part' '$@'

# What run-report shows beside the metrics: counts of the data, the perplexity before, the words for the mask before and
# after.
imdb_ask = echo 'This is a great [MASK].' | fill-mask --json --model
$(call imdb_name,$(run)/report.json): $(call imdb_name,$(before)) $(call imdb_name,$(run)/after.txt)
	@{ \
		echo '{"data": {"chunks": '"$(call imdb_count,$(chunks))"', "chunk_size": $(CHUNK_SIZE),'; \
		echo '"train": '"$(imdb_records)"', "test": '"$(call imdb_count,$(eval))"','; \
		awk '{ printf "\"masked_tokens\": %s},\n\"perplexity_before\": [%s, %s, %s],\n", $$6, $$2, $$10, $$12 }' '$(before)'; \
		echo '"answers": {"text": "This is a great [MASK].", "before":'; \
		$(imdb_ask) $(call imdb_quote,$(imdb_model)); \
		echo ', "after":'; \
		$(imdb_ask) '$(run)/model'; \
		echo '}}'; \
	} > '$@.part'
	@mv '$@.part' '$@'

# ---- for the hub -----------------------------------------------------------------------------------------------------

imdb_base_model = $(or $(BASE_MODEL),$(shell name=$(call imdb_quote,$(imdb_model)); \
	case "$$name" in (run/downloads/*) echo "$${name#run/downloads/}" ;; esac))
imdb_dataset = $(or $(DATASET),$(shell case "$$(basename $(call imdb_quote,$(DATA)))" in (aclImdb*) \
	echo stanfordnlp/imdb ;; esac))
imdb_figures = sed -E 's/^perplexity ([^ ]+) loss ([^ ]+) .*/$(1) perplexity=\1 $(1) loss=\2/'

# imdb_hub_folder RUN NAME OPTIONS: the model in RUN as a folder for the hub, RUN/hub, with a card by these options
define imdb_hub_folder
	@rm -rf '$(1)/hub.part' && mkdir '$(1)/hub.part'
	@cd '$(1)/model' && cp $$(ls config.json *.safetensors tokenizer*.json vocab.txt special_tokens_map.json \
		added_tokens.json 2> /dev/null) ../hub.part
	@echo '*.safetensors filter=lfs diff=lfs merge=lfs -text' > '$(1)/hub.part/.gitattributes'
	@model-card --base $(call imdb_quote,$(imdb_model)) --base-model $(call imdb_quote,$(imdb_base_model)) \
		--dataset $(call imdb_quote,$(imdb_dataset)) --data "$$(basename $(call imdb_quote,$(DATA)))" \
		--name $(call imdb_quote,$(notdir $(or $(REPO),$(2)))) $(3) '$(1)/model' > '$(1)/hub.part/README.md'
	@rm -rf '$(1)/hub' && mv '$(1)/hub.part' '$(1)/hub'
	@echo '$(1)/hub is ready for the hub'
endef

imdb-hub:
	$(call imdb_hub_folder,$(run),$(IMDB),--metrics '$(run)/metrics.jsonl' \
		$$($(call imdb_figures,--before) '$(before)') $$($(call imdb_figures,--metric) '$(run)/after.txt'))

imdb-push: imdb-hub
	@mapfile -t epochs < <($(if $(PUSH_EPOCHS),ls -dv '$(run)'/model/checkpoint-*,:)); \
	push-model $(call imdb_quote,$(REPO)) "$${epochs[@]}" '$(run)/hub'

.PHONY: imdb-announce
endif
