/* safetensors: feeds any bytes as a model file: it is refused, or all its tensors can be read. */
#include "fuzz.h"

#include "base/memory.h"
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct failure failure;
	struct safetensors *file = safetensors_open_file(bytes_as_path(data, size), &failure);
	for (size_t i = 0; file != NULL && i < safetensors_count(file); i++) {
		const struct tensor *tensor = safetensors_at(file, i);
		if (safetensors_find(file, tensor->name) != tensor)
			abort();
		float *values = allocate(tensor->elements, sizeof *values);
		tensor_to_floats(tensor, values, &failure);
		free(values);
	}
	safetensors_close(file);
	return 0;
}
