# SPDX-License-Identifier: ISC
# tests/mm/interpose.py - Python on libgort-malloc.so; prints a digest that
# does not depend on addresses or on the order of threads
import concurrent.futures
import hashlib
import json
import multiprocessing
import subprocess
import sys
import threading


def records(first, n):
    return {f"key{i}": {"n": i, "words": [str(j) * (j % 40) for j in range(i % 30)]}
            for i in range(first, first + n)}


def digest(first):
    text = json.dumps(records(first, 2000), sort_keys=True)
    again = json.dumps(json.loads(text), sort_keys=True)
    assert text == again
    return hashlib.sha256(text.encode()).hexdigest()


def in_threads():
    out = {}

    def work(i):
        out[i] = digest(i * 100)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return [out[i] for i in sorted(out)]


def in_pool():
    with multiprocessing.get_context("fork").Pool(3) as pool:
        return pool.map(digest, range(0, 600, 100))


# Children of a program that has several threads.
def in_subprocesses():
    command = [sys.executable, "-c", "print(sum(len(str(i)) for i in range(50000)))"]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        runs = pool.map(lambda _: subprocess.run(command, capture_output=True,
                                                 check=True).stdout, range(6))
        return [r.decode() for r in runs]


def large():
    blocks = [bytearray(i * 1000) for i in range(1500)]
    for i in range(0, 1500, 3):
        blocks[i] = blocks[i] + b"x" * i
    return sum(len(b) for b in blocks)


def main():
    result = [in_threads(), in_pool(), in_subprocesses(), large()]
    print(hashlib.sha256(repr(result).encode()).hexdigest())


if __name__ == "__main__":
    main()
