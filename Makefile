# cloze: masked-language-model fine-tuning as Unix filters. `make help` lists the targets.

VERSION = 0.2.0
PREFIX = /usr/local
BUILD = build
BIN = bin

CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion

# FUZZ=1, as `make fuzz` sets it, lets clang's libFuzzer see which branches an input takes.
ifdef FUZZ
CC = clang
endif

# The architecture to build for is the compiler's: CC=aarch64-linux-gnu-gcc builds for arm64, with the libraries that
# Debian's aarch64-linux-gnu-pkg-config finds.
architecture := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
foreign := $(filter-out $(shell uname -m),$(architecture))
PKG_CONFIG ?= $(or $(shell command -v $(architecture:%=%-linux-gnu-pkg-config)),pkg-config)

# Builds that differ have folders of their own: SANITIZE=1; FUZZ=1; PORTABLE=1, which leaves out every intrinsic and every
# optional library; THREADS=1, ANALYZE=1 and COVERAGE=1, for ThreadSanitizer, gcc's -fanalyzer and gcov; and those for
# another architecture.
flavour := $(if $(FUZZ),/fuzz)$(if $(SANITIZE),/sanitize)$(if $(THREADS),/threads)$(if $(ANALYZE),/analyze)$(if \
	$(COVERAGE),/coverage)$(if $(PORTABLE),/portable)$(foreign:%=/%)
BUILD = build$(flavour)
BIN = $(if $(flavour),$(BUILD)/)bin
ifdef SANITIZE
sanitize = -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
ifdef FUZZ
sanitize = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
endif
ifdef THREADS
sanitize = -fsanitize=thread
endif
ifdef ANALYZE
CC = gcc
WARNINGS += -fanalyzer -Werror
endif
# A program writes what gcov counts when it ends, which it could not in the sandbox (common/cli/sandbox.c).
ifdef COVERAGE
CFLAGS = -O0 -g --coverage -DCLOZE_UNSANDBOXED
endif
portable = $(if $(PORTABLE),-DCLOZE_PORTABLE)

# Mistakes with memory end a program early: the stack is guarded, calls of the C library are checked, addresses are random,
# and what the linker resolves is then read-only; jumps land where they should on processors that look.
# tests/build/hardening.t holds what is built against this list. The checked calls need an optimizing compiler.
branches_x86_64 = -fcf-protection=full
branches_aarch64 = -mbranch-protection=standard
fortify = $(if $(sanitize)$(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
harden = -fstack-protector-strong -fstack-clash-protection $(fortify) $(branches_$(architecture)) -fPIE
harden_link = -pie -Wl,-z,relro,-z,now,-z,noexecstack

# The same sources give the same bytes in any folder: the names of source files in debugging information are relative.
here = -ffile-prefix-map='$(CURDIR)'=.

PACKAGES = zlib jansson openblas
# ISA-L inflates and computes CRCs faster than zlib; it is used where it is there and PORTABLE is not set.
isal := $(if $(PORTABLE),,$(shell $(PKG_CONFIG) --exists libisal 2>/dev/null && echo libisal))
PACKAGES += $(isal)
# LZ4 and Zstandard, likewise, read streams whose batches are compressed.
compressions := $(if $(PORTABLE),,$(shell for package in liblz4 libzstd; do \
	$(PKG_CONFIG) --exists $$package 2>/dev/null && echo $$package; done))
PACKAGES += $(compressions)
# MPI, likewise, makes one run of the processes that mpirun starts.
mpi := $(if $(PORTABLE),,$(firstword $(shell for package in mpi-c mpi ompi-c mpich; do \
	$(PKG_CONFIG) --exists $$package 2>/dev/null && echo $$package; done)))
PACKAGES += $(mpi)
# oneDNN, likewise, multiplies matrices faster than OpenBLAS with AVX-512, and bfloat16 for --dtype bf16; on processors of
# another family it is never the faster one. Debian's has no pkg-config file, so a program that calls it is linked: `dnnl` is
# the interface that it offers, 3 or 2, or nothing.
hash := \#
links_dnnl = $(shell echo '$(hash)include <dnnl.h>' | { cat; echo 'int main(void) { return !$(1); }'; } | \
	$(CC) $(CPPFLAGS) $(LDFLAGS) -x c -o /dev/null - -ldnnl 2>/dev/null && echo yes)
ifeq ($(PORTABLE)$(architecture),x86_64)
dnnl := $(if $(call links_dnnl,dnnl_matmul_primitive_desc_create),3,$(if $(call links_dnnl,dnnl_matmul_desc_init),2))
endif
optional = $(isal:libisal=-DCLOZE_ISAL) $(patsubst libzstd,-DCLOZE_ZSTD,$(compressions:liblz4=-DCLOZE_LZ4)) \
	$(dnnl:%=-DCLOZE_DNNL=%) $(if $(mpi),-DCLOZE_MPI)

# Where the libraries are. pkg-config may not be there yet: `make deps` comes first then, in a make of its own.
package_cflags := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
package_libs := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)

flags = -std=c11 -D_GNU_SOURCE $(WARNINGS) -Icommon $(package_cflags) $(CPPFLAGS) $(CFLAGS) $(here) \
	$(harden) $(sanitize) $(portable) $(optional) -DCLOZE_VERSION='"$(VERSION)"' -pthread
compile = $(CC) $(flags) -MMD -MP
link = $(CC) $(CFLAGS) $(sanitize) $(harden_link) -pthread $(LDFLAGS)
libraries = -Wl,--as-needed $(package_libs) $(if $(dnnl),-ldnnl -lgomp) -lm

ifndef V
say = @echo '  $(1)' $(2);
endif

tools := $(patsubst tools/%.c,$(BIN)/%,$(wildcard tools/*.c))
rooms := $(patsubst common/%.c,$(BUILD)/common/%.o,$(wildcard common/*/*.c))
unit_tests := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*.c))
fuzzers := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(if $(T),tests/fuzz/$(T).c,$(wildcard tests/fuzz/*.c)))
tidied := $(patsubst %.c,build/tidy/%,$(wildcard common/*/*.c tools/*.c))

all: $(tools)
	@:

help:
	@echo 'make              build the tools into $(BIN)/'
	@echo 'make run          the whole pipeline on a corpus made on the spot, each command shown'
	@echo 'make check        the tests (SANITIZE=1: under AddressSanitizer; PORTABLE=1: without intrinsics, on zlib;'
	@echo '                  REFERENCE=1: held against transformers too, which are about 900 MB to download)'
	@echo 'make roots        build and test in an empty Debian bookworm and an empty trixie, by debootstrap, as root'
	@echo 'make fetch        a MODEL of the Hugging Face hub into run/downloads'
	@echo 'make imdb         fine-tune MODEL (default $(MODEL)) on DATA (default: download aclImdb)'
	@echo 'make trainer      the same with other SETTINGS; so do accelerate, whole-imdb, and own-text TEXT=FILE'
	@echo 'make sentiment    a classifier of reviews, alone and on a fine-tuned language model, side by side'
	@echo 'make distill      teach a student of LAYERS (default $(LAYERS)) of the model that make imdb trains'
	@echo 'make push         the model of make imdb, with a model card, to REPO=OWNER/NAME of the hub; make hub: its folder'
	@echo '                  (sentiment-push, distill-push: the classifier, the student; sentiment-hub, distill-hub)'
	@echo 'make torture      lets every call of every tool fail that can (hours; SEED=N), and every file operation of a'
	@echo '                  training run, then kills one again and again; tries a document of 1 GiB'
	@echo 'make fuzz         feeds whatever reads files what nobody would write, FUZZ_SECONDS (default 60) each; T=NAME: one'
	@echo 'make analyze      asks gcc -fanalyzer, clang-tidy, valgrind and ThreadSanitizer for faults (an hour)'
	@echo 'make coverage     the tests, then how many lines and branches of common/ they reach'
	@echo 'make bench        cloze beside the reference, as a table'
	@echo 'make scaling      several processes of one run: what they cost, and what they hide of a slow network (as root)'
	@echo 'make install      into PREFIX (default $(PREFIX)), below DESTDIR; make uninstall takes it back'
	@echo 'make dist         what is committed, as build/cloze-$(VERSION).tar.gz'
	@echo 'make deps         install what building and testing need (MPI=1: and MPI, for mpirun; see cloze-clusters(7))'
	@echo 'make clean        remove what was built (run/ stays)'
	@echo 'V=1 shows whole command lines'

$(BIN)/%: $(BUILD)/tools/%.o $(BUILD)/libcloze.a
	@mkdir -p $(@D)
	$(call say,link   ,$@) $(link) -o $@ $^ $(libraries)

$(BUILD)/libcloze.a: $(rooms)
	$(call say,archive,$@) rm -f $@ && $(AR) rcsD $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,compile,$<) $(compile) $(flags_$(basename $(<F))) -c -o $@ $<

# The benchmark's stopwatches (tests/bench/kernels.c) take these calls on their way.
stopwatches = kernels multiply multiply_onednn cblas_sgemm embeddings_forward embeddings_backward
$(BUILD)/tests/bench/kernels: LDFLAGS += $(stopwatches:%=-Wl,--wrap=%)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libcloze.a
	$(call say,link   ,$@) $(link) -o $@ $^ $(libraries)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libcloze.a
	$(call say,link   ,$@) $(link) -o $@ $^ $(libraries) $(shell $(PKG_CONFIG) --libs cmocka)

$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/libcloze.a
	$(call say,link   ,$@) $(link) -fsanitize=fuzzer -o $@ $^ $(libraries)

# Loops over all weights, and over a vocabulary's text, which GCC vectorizes at -O3. Kernels for one processor family are
# compiled for it, and run only where it is found (common/math/kernels.c).
flags_safetensors = -O3
flags_parameters = -O3
flags_builder = -O3
flags_vocabulary = -O3
flags_kernels_portable = -O3
flags_kernels_neon = -O3
ifeq ($(portable)$(architecture),x86_64)
flags_kernels_avx2 = -O3 -mavx2 -mfma
flags_kernels_avx512 = -O3 -mavx512f -mavx512vl -mavx512bw -mavx512dq -mavx2 -mfma -mprefer-vector-width=512
flags_kernels_avx512_bf16 = $(flags_kernels_avx512) -mavx512bf16
flags_kernels_amx = $(flags_kernels_avx512_bf16) -mamx-tile -mamx-bf16
endif

# What gcc's analyzer gets wrong. It does not know vectors: neither that a loop over the lanes sets each of them, nor how wide
# a lane is. It does not see that a model has the tensors of each of its layers, and that layers were read where some are
# counted.
ifdef ANALYZE
$(foreach set,portable avx2 avx512 amx neon,$(eval flags_kernels_$(set) += -Wno-analyzer-use-of-uninitialized-value \
	-Wno-analyzer-shift-count-overflow))
flags_parameters += -Wno-analyzer-null-dereference
flags_model-init = -Wno-analyzer-null-dereference
endif

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)


# ---- what it is for ------------------------------------------------------------------------------------------------

# Libraries that were not there when this makefile was read are found by a make of its own.
run:
	@pipelines/install-dependencies build
	@$(MAKE) --no-print-directory all
	@PATH="$(abspath $(BIN)):$$PATH" pipelines/demo

# The reference's Python, which holds cloze against transformers and datasets, takes much to download: it is made by
# REFERENCE=1 alone, and used from then on. CLOZE_PYTHON names another one.
reference_python = run/python
check:
	@pipelines/install-dependencies build check $(if $(REFERENCE),reference)
	@$(if $(REFERENCE),[ -n "$$CLOZE_PYTHON" ] || pipelines/make-python $(reference_python))
	@$(MAKE) --no-print-directory all tests
	@: $${CLOZE_PYTHON=$$(ls -d "$$PWD/$(reference_python)/bin/python" 2>/dev/null)}; export CLOZE_PYTHON; \
		CLOZE_BIN="$(abspath $(BIN))" CLOZE_BUILD="$(abspath $(BUILD))" \
		tests/run $(sort $(unit_tests)) $(sort $(wildcard tests/*/*.t))

roots:
	@tests/roots

preloaded = $(patsubst tests/fault/%.c,$(BUILD)/tests/fault/%.so,$(wildcard tests/fault/*.c))
tests: $(unit_tests) $(preloaded)
	@:

# Preloaded into a tool, which may be a sanitized one, they are not sanitized themselves.
$(BUILD)/tests/fault/%.so: tests/fault/%.c Makefile
	@mkdir -p $(@D)
	$(call say,link   ,$@) $(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) $(CPPFLAGS) $(CFLAGS) $(here) -shared -fPIC -o $@ $<

torture: all $(preloaded)
	@TORTURE=1 CLOZE_BIN="$(abspath $(BIN))" CLOZE_BUILD="$(abspath $(BUILD))" prove --exec '' --verbose \
		tests/tools/limits.t tests/fault/calls.t tests/fault/resume.t

# Texts are short, so that thousands a second are tried; an archive of tar is longer. What reaches new code is kept in
# build/fuzz/NAME, for the next time; what ends a fuzzer, in build/fuzz/NAME-crash-...
fuzz:
	@if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' \
		| clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2> /dev/null; \
	then $(MAKE) --no-print-directory FUZZ=1 fuzz-all; \
	else echo 'make fuzz: skipped, there is no clang with libFuzzer (Debian: clang and the libclang-rt-dev of its version)'; fi

fuzz-all: $(fuzzers)
	@failed=; for fuzzer in $(fuzzers); do \
		name=$${fuzzer##*/}; echo "$$name:"; mkdir -p $(BUILD)/$$name; \
		case $$name in text) most=512;; *) most=16384;; esac; \
		$$fuzzer -max_total_time=$${FUZZ_SECONDS:-60} -timeout=20 -max_len=$$most -verbosity=0 -print_final_stats=1 \
			-dict=tests/fuzz/$$name.dict -artifact_prefix=$(BUILD)/$$name- $(BUILD)/$$name tests/fuzz/seeds/* tests/fixtures \
			|| failed="$$failed $$name"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

# Each finding is an error: what is found is mended, or silenced where it is wrong, with the reason beside it.
analyze:
	@pipelines/install-dependencies build check analyze
	@$(MAKE) --no-print-directory ANALYZE=1 all
	@$(MAKE) --no-print-directory tidy tests
	@$(call try_each,$(valgrind))
	@$(MAKE) --no-print-directory THREADS=1 run-threaded

valgrind = valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite

# $(call try_each,COMMAND): runs the unit tests by the command, two at a time.
try_each = CMOCKA_MESSAGE_OUTPUT=TAP prove --timer -j 2 --exec '$(1)' $(sort $(unit_tests))

tidy: $(tidied)
build/tidy/%: %.c .clang-tidy
	@mkdir -p $(@D)
	$(call say,tidy   ,$<) clang-tidy --quiet $< -- $(flags) $(flags_$(basename $(<F))) && touch $@

run-threaded: $(unit_tests)
	@$(call try_each,env TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1)

coverage:
	@pipelines/install-dependencies build check coverage
	@$(MAKE) --no-print-directory COVERAGE=1 check-coverage

check-coverage: all tests
	@find $(BUILD) -name '*.gcda' -delete
	@CLOZE_BIN="$(abspath $(BIN))" CLOZE_BUILD="$(abspath $(BUILD))" \
		tests/run $(sort $(unit_tests)) $(sort $(wildcard tests/*/*.t)) > $(BUILD)/tests.log 2>&1 || tail -n 20 $(BUILD)/tests.log
	@gcovr --root . --object-directory $(BUILD) --filter common/ --sort-uncovered --print-summary

deps:
	@pipelines/install-dependencies build check reference bench imdb report $(if $(MPI),mpi)

bench:
	@pipelines/install-dependencies build bench
	@$(MAKE) --no-print-directory all $(BUILD)/tests/bench/kernels
	@$(BUILD)/tests/bench/kernels
	@CLOZE_BIN="$(abspath $(BIN))" tests/bench/run

imdb_downloads = pipelines/install-dependencies imdb
imdb_pushes = pipelines/install-dependencies push
imdb_ready = pipelines/install-dependencies build && $(MAKE) --no-print-directory all
include pipelines/imdb.mk
include pipelines/distill.mk
include pipelines/sentiment.mk

# The shells complete options by what the tools' own --help says; a tool for another architecture cannot be asked.
completions := $(if $(foreign),,$(foreach tool,$(notdir $(tools)),$(BUILD)/completions/bash/$(tool) \
	$(BUILD)/completions/zsh/_$(tool)))
$(BUILD)/completions/bash/%: $(BIN)/% pipelines/make-completions
	@mkdir -p $(@D)
	$(call say,complete,$@) pipelines/make-completions bash $< > $@
$(BUILD)/completions/zsh/_%: $(BIN)/% pipelines/make-completions
	@mkdir -p $(@D)
	$(call say,complete,$@) pipelines/make-completions zsh $< > $@

scaling:
	@pipelines/install-dependencies build mpi scaling
	@$(MAKE) --no-print-directory all
	@CLOZE_BIN="$(abspath $(BIN))" tests/bench/scaling

# What is installed: a line for each file, the folder below PREFIX first.
share_cloze = $(wildcard pipelines/*.mk) $(addprefix pipelines/,fetch fetch-model model-card push-model shard shards.sbatch)
installed = $(tools:%=bin:%) bin:pipelines/run-report $(foreach page,$(wildcard man/*),share/man/man$(subst .,,$(suffix $(page))):$(page)) \
	$(patsubst %,share/bash-completion/completions:%,$(filter $(BUILD)/completions/bash/%,$(completions))) \
	$(patsubst %,share/zsh/site-functions:%,$(filter $(BUILD)/completions/zsh/%,$(completions))) \
	$(share_cloze:%=share/cloze:%)

install: all $(completions)
	@for file in $(installed); do \
		source=$${file#*:}; mode=644; [ ! -x "$$source" ] || mode=755; \
		install -D -m $$mode "$$source" "$(DESTDIR)$(PREFIX)/$${file%%:*}/$${source##*/}" || exit; \
	done

uninstall:
	@for file in $(installed); do rm -f "$(DESTDIR)$(PREFIX)/$${file%%:*}/$${file##*/}"; done
	@rmdir "$(DESTDIR)$(PREFIX)/share/cloze" 2>/dev/null || :

# What is committed, as an archive: the same bytes each time.
dist:
	@mkdir -p build
	git -c tar.umask=0022 archive --format=tar --prefix=cloze-$(VERSION)/ --output=build/cloze-$(VERSION).tar HEAD
	gzip -9nf build/cloze-$(VERSION).tar

clean:
	rm -rf build bin

.PHONY: all help run check roots tests torture fuzz fuzz-all analyze tidy run-threaded coverage check-coverage deps bench \
	scaling install uninstall dist clean
.SECONDARY:
