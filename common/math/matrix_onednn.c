/* matrix_onednn: computes products by oneDNN, version 2 or 3.
 *
 * For floats, oneDNN has the sgemm() of BLAS. A product in bfloat16 is a primitive. One that is created for certain sizes
 * is faster than one that gets its sizes when it runs (by 3 to 5 % with AVX-512, by more with AMX), and takes up to half a
 * millisecond to create. So the pieces that large products are cut into have primitives of their own, and all other
 * products share those without sizes. The choice depends on the sizes alone, so results do not depend on what was
 * computed before.
 *
 * The makefile sets CLOZE_DNNL to the interface that programs link with: 2 or 3. (oneDNN 3 replaced the structures that
 * describe memory and operations by handles.) */
#include "math/matrix_onednn.h"

#ifdef CLOZE_DNNL
#include <dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Sets the number of OpenMP threads for calls from this thread; oneDNN runs on these. (clang may lack omp.h, so the
 * function is declared here.) */
void omp_set_num_threads(int threads);

static pthread_once_t asked = PTHREAD_ONCE_INIT, prepared = PTHREAD_ONCE_INIT;
static struct onednn fast;
static dnnl_engine_t engine;
static dnnl_stream_t stream;

/* On a processor with AVX2 but without AVX-512, OpenBLAS is as fast. */
static void ask(void) {
	const int known = (int)dnnl_get_effective_cpu_isa();
	fast.fp32 = (known & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
	fast.bf16 = (known & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

struct onednn onednn_is_fast(void) {
	pthread_once(&asked, ask);
	return fast;
}

/* oneDNN supports every product that is asked of it here, so a call fails only when memory is exhausted. */
static void must(dnnl_status_t status) {
	if (status != dnnl_success)
		memory_exhausted();
}

/* ---- descriptions -------------------------------------------------------------------------------------- */

/* The description of a matrix is a structure in oneDNN 2 and a handle that has to be destroyed in oneDNN 3. The
 * functions below hide the difference: the rest of the file uses only described_as, describe(), described(), forget(),
 * append_sum() and describe_product(). */
static dnnl_memory_desc_t describe(dnnl_dim_t rows, dnnl_dim_t columns, dnnl_data_type_t type, dnnl_dim_t stride,
	bool transposed) {
	const dnnl_dims_t sizes = { rows, columns }, strides = { transposed ? 1 : stride, transposed ? stride : 1 };
	dnnl_memory_desc_t description;
#if CLOZE_DNNL == 2
	must(dnnl_memory_desc_init_by_strides(&description, 2, sizes, type, strides));
#else
	must(dnnl_memory_desc_create_with_strides(&description, 2, sizes, type, strides));
#endif
	return description;
}

#if CLOZE_DNNL == 2
typedef const dnnl_memory_desc_t *described_as;

static const dnnl_memory_desc_t *described(const dnnl_memory_desc_t *description) {
	return description;
}

static void forget(dnnl_memory_desc_t *description) {
	(void)description;
}

static void append_sum(dnnl_post_ops_t post_ops) {
	must(dnnl_post_ops_append_sum(post_ops, 1));
}

static dnnl_primitive_desc_t describe_product(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b,
	const dnnl_memory_desc_t *bias, const dnnl_memory_desc_t *c, dnnl_primitive_attr_t attributes) {
	dnnl_matmul_desc_t matmul;
	dnnl_primitive_desc_t description;
	must(dnnl_matmul_desc_init(&matmul, a, b, bias, c));
	must(dnnl_primitive_desc_create(&description, &matmul, attributes, engine, NULL));
	return description;
}
#else
typedef const_dnnl_memory_desc_t described_as;

static const_dnnl_memory_desc_t described(const dnnl_memory_desc_t *description) {
	return *description;
}

static void forget(dnnl_memory_desc_t *description) {
	dnnl_memory_desc_destroy(*description);
}

static void append_sum(dnnl_post_ops_t post_ops) {
	must(dnnl_post_ops_append_sum(post_ops, 1, 0, dnnl_data_type_undef));
}

static dnnl_primitive_desc_t describe_product(const_dnnl_memory_desc_t a, const_dnnl_memory_desc_t b,
	const_dnnl_memory_desc_t bias, const_dnnl_memory_desc_t c, dnnl_primitive_attr_t attributes) {
	dnnl_primitive_desc_t description;
	must(dnnl_matmul_primitive_desc_create(&description, engine, a, b, bias, c, attributes));
	return description;
}
#endif

/* ---- primitives ---------------------------------------------------------------------------------------- */

/* What a primitive computes. The numbers are of one type, so that plans can be compared as bytes. Sizes and strides may be
 * DNNL_RUNTIME_DIM_VAL. */
struct plan {
	dnnl_dim_t rows, columns, inner, a_stride, b_stride, c_stride;
	dnnl_dim_t transpose_a, transpose_b, add, biased, rounded;
};

/* The pieces of large products have rows in multiples of 32 (matrix.c), so the sizes of a run are few. */
static bool has_own_primitive(const struct product *p) {
	return p->rows % 32 == 0 && (double)p->rows * (double)p->columns * (double)p->inner >= least_work;
}

static struct plan plan_of(const struct product *p) {
	const dnnl_dim_t later = DNNL_RUNTIME_DIM_VAL;
	struct plan plan = { later, later, later, later, later, later, p->transpose_a, p->transpose_b, p->add, p->bias != NULL,
		p->c.fp32 == NULL };
	if (has_own_primitive(p)) {
		plan.rows = (dnnl_dim_t)p->rows;
		plan.columns = (dnnl_dim_t)p->columns;
		plan.inner = (dnnl_dim_t)p->inner;
		plan.a_stride = (dnnl_dim_t)p->a.stride;
		plan.b_stride = (dnnl_dim_t)p->b.stride;
		plan.c_stride = (dnnl_dim_t)p->c.stride;
	}
	return plan;
}

static dnnl_primitive_attr_t create_attributes(bool add) {
	dnnl_post_ops_t post_ops;
	dnnl_primitive_attr_t attributes;
	must(dnnl_post_ops_create(&post_ops));
	if (add)
		append_sum(post_ops);
	must(dnnl_primitive_attr_create(&attributes));
	must(dnnl_primitive_attr_set_post_ops(attributes, post_ops));
	must(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
	dnnl_post_ops_destroy(post_ops);
	return attributes;
}

static dnnl_primitive_t create_primitive(const struct plan *plan) {
	dnnl_memory_desc_t a = describe(plan->rows, plan->inner, dnnl_bf16, plan->a_stride, plan->transpose_a);
	dnnl_memory_desc_t b = describe(plan->inner, plan->columns, dnnl_bf16, plan->b_stride, plan->transpose_b);
	dnnl_memory_desc_t c = describe(plan->rows, plan->columns, plan->rounded ? dnnl_bf16 : dnnl_f32, plan->c_stride,
		false);
	dnnl_memory_desc_t bias = describe(1, plan->columns, dnnl_f32, plan->columns, false);
	dnnl_primitive_attr_t attributes = create_attributes(plan->add);
	dnnl_primitive_desc_t description = describe_product(described(&a), described(&b),
		plan->biased ? described(&bias) : NULL, described(&c), attributes);
	dnnl_primitive_t primitive;
	must(dnnl_primitive_create(&primitive, description));
	dnnl_primitive_desc_destroy(description);
	dnnl_primitive_attr_destroy(attributes);
	forget(&a);
	forget(&b);
	forget(&c);
	forget(&bias);
	return primitive;
}

/* The primitives that were created, of which the first `known_count` are complete; they are never released. */
enum { KNOWN = 256 };
static struct { struct plan plan; dnnl_primitive_t primitive; } known[KNOWN];
static atomic_size_t known_count;
static pthread_mutex_t creating = PTHREAD_MUTEX_INITIALIZER;

static dnnl_primitive_t find_primitive(const struct plan *plan, size_t count) {
	for (size_t i = 0; i < count; i++)
		if (memcmp(&known[i].plan, plan, sizeof *plan) == 0)
			return known[i].primitive;
	return NULL;
}

/* The primitive of a plan, created if it is not known. If no more can be kept, the caller has to destroy it, and *kept
 * becomes false. */
static dnnl_primitive_t primitive_of(const struct plan *plan, bool *kept) {
	dnnl_primitive_t primitive = find_primitive(plan, known_count);
	*kept = true;
	if (primitive != NULL)
		return primitive;
	pthread_mutex_lock(&creating);
	primitive = find_primitive(plan, known_count);
	if (primitive == NULL) {
		memory_require(ONEDNN_BYTES);
		primitive = create_primitive(plan);
		*kept = known_count < KNOWN;
		if (*kept) {
			known[known_count].plan = *plan;
			known[known_count].primitive = primitive;
			known_count++;
		}
	}
	pthread_mutex_unlock(&creating);
	return primitive;
}

/* ---- scratch memory ------------------------------------------------------------------------------------ */

/* A primitive's own scratch memory would serve one thread at a time, so each thread has its own. */
struct scratch { size_t size; void *memory; };
static pthread_key_t scratch_key;

static void free_scratch(void *memory) {
	struct scratch *scratch = memory;
	free(scratch->memory);
	free(scratch);
}

/* The calling thread's scratch memory for a primitive; NULL: it needs none. */
static dnnl_memory_t borrow_scratch(const_dnnl_primitive_t primitive) {
	const_dnnl_primitive_desc_t description;
	must(dnnl_primitive_get_primitive_desc(primitive, &description));
	described_as needed = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
	size_t size = dnnl_memory_desc_get_size(needed);
	struct scratch *scratch = pthread_getspecific(scratch_key);
	if (size == 0)
		return NULL;
	if (scratch == NULL) {
		scratch = allocate(1, sizeof *scratch);
		if (pthread_setspecific(scratch_key, scratch) != 0)
			memory_exhausted();
	}
	if (scratch->size < size) {
		free(scratch->memory);
		scratch->memory = allocate(size, 1);
		scratch->size = size;
	}
	dnnl_memory_t memory;
	must(dnnl_memory_create(&memory, needed, engine, scratch->memory));
	return memory;
}

/* ---- products ------------------------------------------------------------------------------------------ */

static dnnl_memory_t borrow(size_t rows, size_t columns, dnnl_data_type_t type, void *numbers, size_t stride,
	bool transposed) {
	dnnl_memory_desc_t description = describe((dnnl_dim_t)rows, (dnnl_dim_t)columns, type, (dnnl_dim_t)stride,
		transposed);
	dnnl_memory_t memory;
	must(dnnl_memory_create(&memory, described(&description), engine, numbers));
	forget(&description);
	return memory;
}

static dnnl_memory_t borrow_result(const struct product *p) {
	return p->c.fp32 != NULL ? borrow(p->rows, p->columns, dnnl_f32, p->c.fp32, p->c.stride, false)
		: borrow(p->rows, p->columns, dnnl_bf16, p->c.bf16, p->c.stride, false);
}

static void prepare(void) {
	must(dnnl_engine_create(&engine, dnnl_cpu, 0));
	must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
	if (pthread_key_create(&scratch_key, free_scratch) != 0)
		memory_exhausted();
}

static void multiply_bf16(const struct product *p) {
	pthread_once(&prepared, prepare);
	const struct plan plan = plan_of(p);
	bool kept;
	dnnl_primitive_t primitive = primitive_of(&plan, &kept);
	dnnl_exec_arg_t arguments[] = {
		{ DNNL_ARG_SRC, borrow(p->rows, p->inner, dnnl_bf16, p->a.bf16, p->a.stride, p->transpose_a) },
		{ DNNL_ARG_WEIGHTS, borrow(p->inner, p->columns, dnnl_bf16, p->b.bf16, p->b.stride, p->transpose_b) },
		{ DNNL_ARG_DST, borrow_result(p) },
		{ 0 }, { 0 },
	};
	dnnl_memory_t scratch = borrow_scratch(primitive);
	int count = 3;
	if (p->bias != NULL) /* oneDNN only reads it */
		arguments[count++] = (dnnl_exec_arg_t){ DNNL_ARG_BIAS,
			borrow(1, p->columns, dnnl_f32, (void *)(uintptr_t)p->bias, p->columns, false) };
	if (scratch != NULL)
		arguments[count++] = (dnnl_exec_arg_t){ DNNL_ARG_SCRATCHPAD, scratch };
	must(dnnl_primitive_execute(primitive, stream, count, arguments));
	must(dnnl_stream_wait(stream));
	for (int i = 0; i < count; i++)
		dnnl_memory_destroy(arguments[i].memory);
	if (!kept)
		dnnl_primitive_destroy(primitive);
}

void multiply_onednn(const struct product *p) {
	omp_set_num_threads(1);
	if (is_bf16(p))
		multiply_bf16(p);
	else
		must(dnnl_sgemm(p->transpose_a ? 'T' : 'N', p->transpose_b ? 'T' : 'N', (dnnl_dim_t)p->rows,
			(dnnl_dim_t)p->columns, (dnnl_dim_t)p->inner, 1, p->a.fp32, (dnnl_dim_t)p->a.stride, p->b.fp32,
			(dnnl_dim_t)p->b.stride, p->add ? 1 : 0, p->c.fp32, (dnnl_dim_t)p->c.stride));
}

#else

struct onednn onednn_is_fast(void) {
	return (struct onednn){ false, false };
}

void multiply_onednn(const struct product *product) {
	(void)product;
}

#endif
