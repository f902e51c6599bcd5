"""tools/check_layers.py finds what it should find, and nothing in a clean tree."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_layers

TABLE = """
ingot_module(base LIBS spdlog::spdlog)
ingot_module(config DEPS base LIBS yaml-cpp)
ingot_module(device DEPS base TORCH)
ingot_module(nn DEPS config device
             TORCH)
"""


class CheckLayers(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "CMakeLists.txt").write_text(TABLE)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return check_layers.check(root)

    def test_clean(self):
        self.assertEqual(self.problems({
            "src/base/log.cpp": '#include <spdlog/spdlog.h>\n#include "base/log.h"\n',
            "src/config/a.cpp": '#include <yaml-cpp/yaml.h>\n#include "base/log.h"\n#include <vector>\n',
            "src/nn/a.cpp": '#include "base/log.h"\n#include "config/a.h"\n#include <ATen/core/Tensor.h>\n',
            "tests/nn/a_test.cpp": '#include <gtest/gtest.h>\n#include "device/a.h"\n#include "support/b.h"\n',
        }), [])

    def test_module_below(self):
        found = self.problems({"src/base/a.h": '#pragma once\n#include "config/a.h"\n'})
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith("src/base/a.h:2: module base may not use module config"), found)

    def test_sibling(self):
        self.assertEqual(len(self.problems({"src/device/a.cpp": '#include "config/a.h"\n'})), 1)

    def test_tests_obey_the_same_row(self):
        self.assertEqual(len(self.problems({"tests/config/a_test.cpp": '#include "nn/a.h"\n'})), 1)

    def test_owner(self):
        found = self.problems({"src/nn/a.cpp": "#include <yaml-cpp/yaml.h>\n", "src/base/b.cpp": "#include <spdlog/x.h>\n"})
        self.assertEqual([line.split(":")[0] for line in found], ["src/base/b.cpp", "src/nn/a.cpp"])

    def test_torch(self):
        self.assertEqual(len(self.problems({"src/config/a.cpp": "#include <ATen/core/Tensor.h>\n"})), 1)
        self.assertEqual(len(self.problems({"src/nn/a.cpp": "#  include <torch/torch.h>\n"})), 1)

    def test_unknown_folder(self):
        self.assertEqual(len(self.problems({"src/extra/a.cpp": ""})), 1)


if __name__ == "__main__":
    unittest.main()
