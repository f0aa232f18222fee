# sentiment.mk: from the archive to a classifier of reviews, by way of a language model. It is the claim of ULMFiT
# (Howard and Ruder, 2018) that a model which is first fine-tuned as a language model on the texts classifies them
# better; the report has both, on the same records, side by side, whichever way it comes out.
#
#     make sentiment DATA=aclImdb_v1.tar.gz MODEL=distilbert-base-uncased
#     make sentiment-hub                            the classifier on the language model as a folder for the hub
#     make sentiment-push REPO=owner/name           the same, committed and pushed
#     make sentiment SPLIT=train TRAIN_REVIEWS=20000 TEST_REVIEWS=5000 LM_TRAIN_SIZE=0.95 LM_TEST_SIZE=0.05
#
# This makefile is included after imdb.mk, whose settings it shares; files are named as there, by digests of the settings
# that they depend on.

SENTIMENT = run/sentiment
TRAIN_REVIEWS = 1600
TEST_REVIEWS = 800
MAX_LENGTH = 128
# The language model: chunks of the training reviews, the test reviews' text left aside.
LM_TRAIN_SIZE = 0.95
LM_TEST_SIZE = 0.05
LM_EPOCHS = 3
LM_LEARNING_RATE = 5e-5
# The classifier.
CLASSIFIER_EPOCHS = 3
CLASSIFIER_LEARNING_RATE = 5e-5
CLASSIFIER_BATCH_SIZE = 32
CLASSIFIER_OPTIONS =

sentiment: imdb-inputs
	@$(imdb_make) sentiment-run

sentiment-hub sentiment-push: sentiment
	@$(imdb_make) $@-run

.PHONY: sentiment sentiment-hub sentiment-push sentiment-run sentiment-hub-run sentiment-push-run

ifneq ($(filter sentiment-run sentiment-hub-run sentiment-push-run,$(MAKECMDGOALS)),)

sentiment_text_settings = DATA MODEL SPLIT READ_OPTIONS TRAIN_REVIEWS TEST_REVIEWS SEED
sentiment_lm_settings = $(sentiment_text_settings) CHUNK_SIZE LM_TRAIN_SIZE LM_TEST_SIZE WWM_PROBABILITY LM_EPOCHS \
	LM_LEARNING_RATE BATCH_SIZE
sentiment_classifier_settings = $(sentiment_text_settings) MAX_LENGTH CLASSIFIER_EPOCHS CLASSIFIER_LEARNING_RATE \
	CLASSIFIER_BATCH_SIZE CLASSIFIER_OPTIONS

text := $(SENTIMENT)/text-$(call imdb_digest,$(sentiment_text_settings))
lm := $(SENTIMENT)/lm-$(call imdb_digest,$(sentiment_lm_settings))
alone := $(SENTIMENT)/alone-$(call imdb_digest,$(sentiment_classifier_settings))
tuned := $(SENTIMENT)/tuned-$(call imdb_digest,$(sort $(sentiment_lm_settings) $(sentiment_classifier_settings)))

sentiment-run: $(call imdb_name,$(tuned)/report.txt)
	@cat '$<'

# As many reviews as were asked for, by chance; reviews without a label stay out.
$(call imdb_name,$(text)/train.arrows):
	@mkdir -p '$(text)'
	imdb-read --split $(SPLIT) $(READ_OPTIONS) $(call imdb_quote,$(DATA)) | select-records --label 0,1 \
		| split-records --train-size $(TRAIN_REVIEWS) --test-size $(TEST_REVIEWS) --seed $(SEED) \
			--test-out '$(text)/test.arrows' > '$@.part'
	@mv '$@.part' '$@'

$(call imdb_name,$(lm)/train.arrows): $(call imdb_name,$(text)/train.arrows)
	@mkdir -p '$(lm)'
	wordpiece --model $(call imdb_quote,$(imdb_model)) < '$<' | group-texts --chunk-size $(CHUNK_SIZE) \
		| split-records --train-size $(LM_TRAIN_SIZE) --test-size $(LM_TEST_SIZE) --seed $(SEED) \
			--test-out '$(lm)/test.arrows' > '$@.part'
	@mv '$@.part' '$@'

$(call imdb_name,$(lm)/perplexity.txt): $(call imdb_name,$(lm)/train.arrows)
	wwm-mask --wwm-probability $(WWM_PROBABILITY) --seed 7 < '$(lm)/test.arrows' > '$(lm)/eval.arrows'
	perplexity --model $(call imdb_quote,$(imdb_model)) < '$(lm)/eval.arrows' > '$@.part'
	shuffle-records --epochs $(LM_EPOCHS) --seed 1 < '$<' | wwm-mask --wwm-probability $(WWM_PROBABILITY) --seed 2 \
		| train-step --model $(call imdb_quote,$(imdb_model)) --out '$(lm)/model' --resume --lr $(LM_LEARNING_RATE) \
			--batch-size $(BATCH_SIZE) --save-total-limit 1 --seed 3 >> '$(lm)/metrics.jsonl'
	perplexity --model '$(lm)/model' < '$(lm)/eval.arrows' >> '$@.part'
	@mv '$@.part' '$@'

# Both classifiers see the same records in the same order, with the same seeds.
sentiment_classify = wordpiece --model $(1) --max-length $(MAX_LENGTH) < '$(text)/train.arrows' \
	| shuffle-records --epochs $(CLASSIFIER_EPOCHS) --seed 1 \
	| classify-step --model $(1) --out '$(2)/model' --resume --lr $(CLASSIFIER_LEARNING_RATE) --labels neg,pos \
		--batch-size $(CLASSIFIER_BATCH_SIZE) --save-total-limit 1 --seed 3 $(CLASSIFIER_OPTIONS) >> '$(2)/metrics.jsonl'
sentiment_accuracy = wordpiece --model '$(1)/model' --max-length $(MAX_LENGTH) < '$(text)/test.arrows' \
	| classify --model '$(1)/model' | accuracy > '$@.part'

$(call imdb_name,$(alone)/accuracy.txt): $(call imdb_name,$(text)/train.arrows)
	@mkdir -p '$(alone)'
	$(call sentiment_classify,$(call imdb_quote,$(imdb_model)),$(alone))
	$(call sentiment_accuracy,$(alone))
	@mv '$@.part' '$@'

$(call imdb_name,$(tuned)/accuracy.txt): $(call imdb_name,$(text)/train.arrows) $(call imdb_name,$(lm)/perplexity.txt)
	@mkdir -p '$(tuned)'
	$(call sentiment_classify,'$(lm)/model',$(tuned))
	$(call sentiment_accuracy,$(tuned))
	@mv '$@.part' '$@'

$(call imdb_name,$(tuned)/report.txt): $(call imdb_name,$(alone)/accuracy.txt) $(call imdb_name,$(tuned)/accuracy.txt)
	@{ \
		echo "$(TRAIN_REVIEWS) reviews to train on, $(TEST_REVIEWS) to test with"; \
		echo "language model before:             $$(sed -n 1p '$(lm)/perplexity.txt')"; \
		echo "language model after:              $$(sed -n 2p '$(lm)/perplexity.txt')"; \
		echo "classifier alone:                  $$(cat '$(alone)/accuracy.txt')"; \
		echo "classifier on the language model:  $$(cat '$(tuned)/accuracy.txt')"; \
	} > '$@.part'
	@mv '$@.part' '$@'

sentiment_figures = sed -E 's/^accuracy ([^ ]+) f1 ([^ ]+) .*/--metric accuracy=\1 --metric f1=\2/'
sentiment-hub-run:
	$(call imdb_hub_folder,$(tuned),$(SENTIMENT),$$($(sentiment_figures) '$(tuned)/accuracy.txt'))

sentiment-push-run: sentiment-hub-run
	@push-model $(call imdb_quote,$(REPO)) '$(tuned)/hub'
endif
