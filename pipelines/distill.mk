# distill.mk: a student with half the layers of the model that `make imdb` trains, taught by that model (Sanh et al. 2019),
# and a table of both: parameters, speed, perplexity.
#
#     make distill DATA=aclImdb_v1.tar.gz MODEL=distilbert-base-uncased LAYERS=0,2,4 EPOCHS=3
#     make distill-hub                              the student as a folder for the hub
#     make distill-push REPO=owner/name             the same, committed and pushed
#
# This makefile is included after imdb.mk, whose settings it shares; the student is in the folder of the run,
# run-DIGEST/distill-DIGEST.

LAYERS = 0,2,4
TEACH_OPTIONS = --hidden-states
STUDENT_LEARNING_RATE = 3e-4

distill: imdb
	@$(imdb_make) distill-run

distill-hub distill-push: distill
	@$(imdb_make) $@-run

.PHONY: distill distill-hub distill-push distill-run distill-hub-run distill-push-run

ifneq ($(filter distill-run distill-hub-run distill-push-run,$(MAKECMDGOALS)),)

student := $(run)/distill-$(call imdb_digest,LAYERS TEACH_OPTIONS STUDENT_LEARNING_RATE)

distill-run: $(call imdb_name,$(student)/report.txt)
	@cat '$(student)/report.txt'

$(call imdb_name,$(student)/metrics.jsonl): $(call imdb_name,$(run)/metrics.jsonl)
	@mkdir -p '$(student)'
	model-init --from '$(run)/model' --layers $(LAYERS) --out '$(student)/untaught' --force
	$(imdb_masked) \
		| teach --model '$(run)/model' $(TEACH_OPTIONS) \
		| distill-step --model '$(student)/untaught' --out '$(student)/model' --force --lr $(STUDENT_LEARNING_RATE) \
			--weight-decay $(WEIGHT_DECAY) --batch-size $(BATCH_SIZE) --seed 3 --eval '$(eval)' > '$@.part'
	@mv '$@.part' '$@'

# A line of the table: parameters, records evaluated in a second, perplexity with its interval.
distill_line = start=$$(date +%s%N) && perplexity --model '$(2)' < '$(eval)' > '$@.line' \
	&& elapsed=$$(($$(date +%s%N) - start)) && parameters=$$(model-info '$(2)' | awk '$$1 == "total" { print $$2 }') \
	&& awk -v name='$(1)' -v parameters="$$parameters" -v elapsed=$$elapsed '{ \
		printf "%-16s %12s %10.1f %10s   %s to %s\n", name, parameters, $$8 / elapsed * 1e9, $$2, $$10, $$12 }' '$@.line'

$(call imdb_name,$(student)/report.txt): $(call imdb_name,$(student)/metrics.jsonl)
	@{ printf '%-16s %12s %10s %10s   %s\n' model parameters records/s perplexity '95 % interval'; \
		$(call distill_line,teacher,$(run)/model); \
		$(call distill_line,student untaught,$(student)/untaught); \
		$(call distill_line,student taught,$(student)/model); } > '$@.part'
	@rm '$@.line' && mv '$@.part' '$@'

distill_figures = awk '/^student taught/ { print "--metric perplexity=" $$5 }'
distill-hub-run:
	$(call imdb_hub_folder,$(student),$(student:$(IMDB)/%=%),$$($(distill_figures) '$(student)/report.txt'))

distill-push-run: distill-hub-run
	@push-model $(call imdb_quote,$(REPO)) '$(student)/hub'

endif
