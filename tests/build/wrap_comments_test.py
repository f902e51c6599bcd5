"""tools/wrap_comments.py wraps what is too long, and nothing else."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import wrap_comments

LONG = " ".join(["word"] * 26)  # 129 characters


class WrapComments(unittest.TestCase):
    def wrapped(self, *lines):
        out = wrap_comments.wrapped("\n".join(lines)).split("\n")
        self.assertTrue(all(len(line) <= wrap_comments.LIMIT for line in out), out)
        return out

    def test_what_fits_stays(self):
        text = "// Short.\nint x = 1;  // so is this\nconst char* s = \"// " + LONG + "\";"
        self.assertEqual(wrap_comments.wrapped(text), text)

    def test_the_next_line_takes_over(self):
        out = self.wrapped("  /// " + LONG, "  /// end", "  int x;")
        self.assertEqual(out[1:], ["  /// word word word end", "  int x;"])
        self.assertEqual(len(out), 3)

    def test_a_last_line_gets_a_new_one(self):
        self.assertEqual(self.wrapped("// " + LONG, "int x;")[1:], ["// word word word", "int x;"])

    def test_bullets_and_other_indents_are_paragraphs(self):
        self.assertEqual(self.wrapped("// - " + LONG, "// - next")[1:], ["//   word word word", "// - next"])
        self.assertEqual(self.wrapped("//   " + LONG, "// next")[1:], ["//   word word word", "// next"])

    def test_a_citation_keeps_its_line(self):
        cited = "// Vaswani et al. 2017, arXiv:1706.03762."
        self.assertEqual(self.wrapped("// " + LONG + ".", cited)[1:], ["// word word word.", cited])

    def test_a_comment_behind_code_moves_above(self):
        out = self.wrapped("  int x = 1;  // " + LONG[:100] + " and more", "              // of it")
        self.assertEqual(out[-1], "  int x = 1;")
        self.assertTrue(out[0].startswith("  // word"))
        self.assertTrue(" ".join(out).count("of it") == 1)


if __name__ == "__main__":
    unittest.main()
