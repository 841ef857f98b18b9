// SPDX-License-Identifier: ISC
/*
 * tests/mm/interpose.cc - C++ on libgort-malloc.so: containers, exceptions
 * from operator new, over-aligned types, threads; prints a sum.
 */
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

struct alignas(128) wide {
	unsigned char byte[128];
};

/* There when the program ends, for the witness. */
static char *kept = new char[2 << 20];

static std::string text(unsigned int i)
{
	return std::string(i % 200, static_cast<char>('a' + i % 26)) +
	       std::to_string(i);
}

static std::size_t containers(unsigned int from, unsigned int to)
{
	std::map<std::string, std::vector<unsigned int>> by_text;
	std::unordered_map<unsigned int, std::shared_ptr<std::string>> by_number;
	std::size_t sum = 0;

	for (unsigned int i = from; i < to; i++) {
		by_text[text(i % 997)].push_back(i);
		by_number[i] = std::make_shared<std::string>(text(i));
		if (i % 3 == 0)
			by_number.erase(i / 2);
	}
	for (const auto &[key, numbers] : by_text)
		sum += key.size() * numbers.size();
	for (const auto &[key, value] : by_number)
		sum += key % 7 + value->size();
	return sum;
}

static bool refuses_too_much()
{
	volatile std::size_t huge = SIZE_MAX / 2 - 4096;

	try {
		delete[] new char[huge];
	} catch (const std::bad_alloc &) {
		return !new (std::nothrow) char[huge];
	}
	return false;
}

static bool over_aligned()
{
	std::vector<std::unique_ptr<wide>> v;

	for (int i = 0; i < 1000; i++)
		v.push_back(std::make_unique<wide>());
	return std::all_of(v.begin(), v.end(), [](const auto &p) {
		return reinterpret_cast<std::uintptr_t>(p.get()) % 128 == 0;
	});
}

int main()
{
	std::vector<std::thread> threads;
	std::vector<std::size_t> sums(4);
	std::size_t sum = 0;

	std::fill(kept, kept + (2 << 20), 'x');
	for (unsigned int i = 0; i < sums.size(); i++)
		threads.emplace_back([i, &sums] {
			sums[i] = containers(i * 10000, i * 10000 + 20000);
		});
	for (auto &t : threads)
		t.join();
	for (std::size_t s : sums)
		sum += s;
	std::printf("%zu\n", sum);
	return !(refuses_too_much() && over_aligned());
}
