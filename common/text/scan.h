/* scan: where the words and the punctuation of a text begin and end, found 64 bytes at a time. For tokenizer.c alone.
 *
 * ASCII settles most of a text: white space and punctuation separate, letters and digits make words. Whatever else there
 * is, control characters and all beyond ASCII, is only marked here, as a part of the run of bytes that it stands in. */
#ifndef CLOZE_TEXT_SCAN_H
#define CLOZE_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_BLOCK 64 /* bytes, a bit each in a mask: the first is the lowest bit of mask 0 */
#define SCAN_BLOCKS 64
#define SCAN_BYTES (SCAN_BLOCK * SCAN_BLOCKS)

struct scan {
	uint64_t starts[SCAN_BLOCKS];     /* punctuation, and the first byte of every run */
	uint64_t runs[SCAN_BLOCKS + 1];   /* bytes that are neither punctuation nor white space; 0 after the text */
	uint64_t others[SCAN_BLOCKS + 1]; /* those of them that are neither letters nor digits */
	char text[SCAN_BYTES + SCAN_BLOCK]; /* the bytes themselves, A to Z in lower case where so asked */
};

/* Scans the beginning of the text, at most SCAN_BYTES. Returns how many bytes the marks are complete for: a run that
 * reaches past the bytes scanned is left for the next scan, where it is not all of this one. */
size_t scan_text(struct scan *scan, const char *text, size_t length, bool lowercase);

/* Whether the byte is white space or punctuation to the scan. */
bool scan_separates(char byte);

/* The kernels: scan whole blocks into runs, others and text, and into starts the punctuation alone. `text` may be
 * scan->text at the same place. The first runs anywhere; scan_blocks_avx2() where scan_has_avx2(). */
typedef void scan_kernel(struct scan *scan, size_t first, const char *text, size_t count, bool lowercase);
scan_kernel scan_blocks_portable, scan_blocks_avx2;
bool scan_has_avx2(void);

#endif
