/* kernels_products: products of few rows, a part of kernels_body.h. */

/* ---- products of few rows ------------------------------------------------------------------------------ */

enum { FEW = 4 }; /* rows, and outputs, whose sums are in registers at a time */

#ifndef MULTIPLIES_PAIRS
/* sums[i] + a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1], of vectors of bfloat16, whose products a float holds exactly. */
static inline floats multiply_pairs(floats a, floats b, floats sums) {
	const words upper = (words){ 0 } + 0xffff0000;
	sums = multiply_add((floats)((words)a << 16), (floats)((words)b << 16), sums);
	return multiply_add((floats)((words)a & upper), (floats)((words)b & upper), sums);
}
#endif

/* Rows n and on, outputs o and on, of numbers of `size` bytes, of which multiply() multiplies vectors. Inlined with
 * constants, so that the sums are in registers. The last, partial vectors are filled up with zeros.
 *
 * The processor does not foresee that the next outputs' weights follow, so the passes over the rows fetch these ahead, as
 * far as the second-level cache, so that memory is at work during all of them: each pass those of `ahead` outputs, for the
 * inputs that it is at. */
__attribute__((always_inline))
static inline void multiply_block(const struct few_rows *p, size_t size, floats multiply(floats, floats, floats), size_t n,
	size_t o, const size_t rows, const size_t outputs, size_t ahead) {
	const size_t x_stride = p->x_stride * size, w_stride = p->w_stride * size, end = p->inputs * size;
	const char *x = (const char *)p->x + n * x_stride, *w = (const char *)p->w + o * w_stride;
	const char *fetched = w + (outputs + (n / FEW + n % FEW) * ahead) * w_stride;
	floats sums[FEW][FEW] = { { { 0 } } };
	size_t i = 0;
	for (; i + sizeof(floats) <= end; i += sizeof(floats)) {
		floats weights[FEW];
		for (size_t k = 0; k < outputs; k++)
			weights[k] = load_vector(w + k * w_stride + i);
		for (size_t k = 0; k < ahead; k++)
			__builtin_prefetch(fetched + k * w_stride + i, 0, 2);
		for (size_t r = 0; r < rows; r++) {
			floats input = load_vector(x + r * x_stride + i);
			for (size_t k = 0; k < outputs; k++)
				sums[r][k] = multiply(input, weights[k], sums[r][k]);
		}
	}
	for (size_t r = 0; r < rows && i < end; r++) {
		floats input = { 0 };
		memcpy(&input, x + r * x_stride + i, end - i);
		for (size_t k = 0; k < outputs; k++) {
			floats weights = { 0 };
			memcpy(&weights, w + k * w_stride + i, end - i);
			sums[r][k] = multiply(input, weights, sums[r][k]);
		}
	}
	for (size_t r = 0; r < rows; r++)
		for (size_t k = 0; k < outputs; k++)
			p->y[(n + r) * p->y_stride + o + k] = sum_of(sums[r][k]);
}

__attribute__((always_inline))
static inline void multiply_blocks(const struct few_rows *p, size_t size, floats multiply(floats, floats, floats)) {
	size_t whole_outputs = p->outputs / FEW * FEW, whole_rows = p->rows / FEW * FEW;
	size_t passes = p->rows / FEW + p->rows % FEW, ahead = (FEW + passes - 1) / passes;
	for (size_t o = 0; o < whole_outputs; o += FEW) {
		for (size_t n = 0; n < whole_rows; n += FEW)
			multiply_block(p, size, multiply, n, o, FEW, FEW, ahead);
		for (size_t n = whole_rows; n < p->rows; n++)
			multiply_block(p, size, multiply, n, o, 1, FEW, ahead);
	}
	for (size_t o = whole_outputs; o < p->outputs; o++)
		for (size_t n = 0; n < p->rows; n++)
			multiply_block(p, size, multiply, n, o, 1, 1, 0);
}

static void multiply_few(const struct few_rows *p) {
	multiply_blocks(p, sizeof(float), multiply_add);
}

static void multiply_few_bf16(const struct few_rows *p) {
	multiply_blocks(p, sizeof(bfloat16), multiply_pairs);
}

#ifdef PACKS_ROWS
/* ---- products of packed rows --------------------------------------------------------------------------- */

/* Of a panel of PANEL rows, and OUTPUTS outputs, the sums are in registers at a time. A panel has the rows' first inputs
 * side by side, then their second ones, and so on; rows that are missing at its end are zeros. */
enum { VECTORS = 2, PANEL = VECTORS * WIDTH, OUTPUTS = WIDTH == 16 ? 12 : 6 };

/* Packs PANEL inputs at a time, whose cache lines stay at hand. */
static void pack_rows(float *packed, const float *x, size_t rows, size_t inputs, size_t stride) {
	for (size_t first = 0; first < rows; first += PANEL, packed += PANEL * packed_inputs(inputs))
		for (size_t begin = 0; begin < inputs; begin += PANEL)
			for (size_t r = 0; r < PANEL && r < rows - first; r++)
				for (size_t i = begin; i < begin + PANEL && i < inputs; i++)
					packed[i * PANEL + r] = x[(first + r) * stride + i];
}

/* Rows n and on, of one panel, in so many vectors, and outputs o and on. While it computes, it fetches at `fetched` what lies
 * `step` bytes further for each input, in `lines` rows of weights by turns (a power of two). Inlined with constants, so that
 * the sums are in registers. */
__attribute__((always_inline))
static inline void multiply_panel(const struct few_rows *p, size_t n, size_t o, const size_t vectors, const size_t outputs,
	const char *fetched, size_t step, const size_t lines) {
	const float *x = (const float *)p->x + n * packed_inputs(p->inputs), *w = (const float *)p->w + o * p->w_stride;
	floats sums[OUTPUTS][VECTORS] = { { { 0 } } };
	for (size_t i = 0; i < p->inputs; i++, x += PANEL, fetched += step) {
		floats inputs[VECTORS];
		__builtin_prefetch(fetched + i % lines * p->w_stride * sizeof(float), 0, 2);
		for (size_t v = 0; v < vectors; v++)
			inputs[v] = load_vector(x + v * WIDTH);
		for (size_t k = 0; k < outputs; k++)
			for (size_t v = 0; v < vectors; v++)
				sums[k][v] = multiply_add(splat(w[k * p->w_stride + i]), inputs[v], sums[k][v]);
	}
	float kept[OUTPUTS][PANEL];
	for (size_t k = 0; k < outputs; k++)
		for (size_t v = 0; v < vectors; v++)
			store(kept[k] + v * WIDTH, sums[k][v], WIDTH);
	for (size_t r = 0; r < vectors * WIDTH && r < p->rows - n; r++)
		for (size_t k = 0; k < outputs; k++)
			p->y[(n + r) * p->y_stride + o + k] = kept[k][r];
}

/* All rows. The arithmetic of one panel takes less time than reading its weights: it fetches the next outputs' for the
 * inputs that it is at, a line of each by turns, by which a sentence of 16 tokens takes a tenth less. Several panels share in
 * fetching them in the order in which they lie. */
__attribute__((always_inline))
static inline void multiply_panels(const struct few_rows *p, size_t o, size_t panels, const size_t lines) {
	const size_t step = lines > 1 ? sizeof(float) : OUTPUTS * sizeof(float) / panels;
	const char *fetched = (const char *)((const float *)p->w + (o + OUTPUTS) * p->w_stride);
	for (size_t n = 0; n < p->rows; n += PANEL, fetched += p->inputs * step)
		if (p->rows - n > WIDTH)
			multiply_panel(p, n, o, VECTORS, OUTPUTS, fetched, step, lines);
		else
			multiply_panel(p, n, o, 1, OUTPUTS, fetched, step, lines);
}

static void multiply_packed(const struct few_rows *p) {
	enum { LINES = OUTPUTS > 8 ? 16 : 8 };
	const size_t panels = (p->rows + PANEL - 1) / PANEL, whole = p->outputs / OUTPUTS * OUTPUTS;
	for (size_t o = 0; o < whole; o += OUTPUTS)
		if (panels == 1)
			multiply_panels(p, o, panels, LINES);
		else
			multiply_panels(p, o, panels, 1);
	for (size_t o = whole; o < p->outputs; o++)
		for (size_t n = 0; n < p->rows; n += PANEL)
			multiply_panel(p, n, o, VECTORS, 1, (const char *)p->w, 0, 1);
}
#endif
