/* config: feeds any bytes as config.json. */
#include "fuzz.h"

#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct failure failure;
	struct config config;
	if (config_read(bytes_as_path(data, size), &config, &failure) == 0)
		config_clear(&config);
	return 0;
}
