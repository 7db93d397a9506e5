# make run    build, and serve ./data at http://127.0.0.1:8080
# make check  build and run every test (under a quarter of an hour on two cores)
# make bench  measure against nginx in the same run
# make deb    make a Debian package in build-deb/
# The build itself is CMake's: cmake -B build && cmake --build build

PREFIX ?= /usr/local
PORT ?= 8080
JOBS ?= $(shell nproc)

.PHONY: all run check check-asan check-tsan check-long lint bench install deb deps deb-deps deps-check clean

all: build/lobos

build/lobos: FORCE
	@tools/install-deps build
	@test -f build/CMakeCache.txt || cmake -B build -DCMAKE_BUILD_TYPE=Release > /dev/null
	@cmake --build build --parallel $(JOBS) -- --no-print-directory -s

run: build/lobos
	@mkdir -p data
	@tools/print-examples $(PORT)
	@exec build/lobos --root data --port $(PORT)

check: deps-check
	@tools/check

check-asan: deps-check
	@tools/check asan

check-tsan: deps-check
	@tools/check tsan

check-long: deps-check
	@tools/check long

lint: deps-check
	@tools/check lint

bench: build/lobos deps-check
	@cmake -B build-bench -DCMAKE_BUILD_TYPE=Release -DLB_TESTS=ON > /dev/null
	@cmake --build build-bench --parallel $(JOBS) -- --no-print-directory -s
	@python3 bench/compare.py --build build-bench $(BENCH_ARGS)

install: build/lobos
	@cmake --install build --prefix $(PREFIX)

deb: deb-deps build/lobos
	@tools/make-deb build build-deb

deps:
	@tools/install-deps build

deb-deps:
	@tools/install-deps deb

deps-check:
	@tools/install-deps check

clean:
	rm -rf build build-deb build-bench build-check build-asan build-tsan build-fuzz

FORCE:
