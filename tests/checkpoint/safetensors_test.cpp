#include "checkpoint/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "support/temp_dir.h"
#include "support/tolerance.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::same_bits;
using testing::TempDir;
using testing::write_raw;

/// Length, JSON and data as they are.
std::string raw_file(const std::string& json, const std::string& data) {
  const std::uint64_t length = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + json + data;
}

std::string refusal(const std::string& bytes) {
  const TempDir dir;
  const fs::path path = dir / "t.safetensors";
  write_raw(path, bytes);
  const std::string message = message_of<CheckpointError>([&] { SafetensorsFile file(path); });
  EXPECT_TRUE(has(message, (path.string())));
  return message;
}

NamedTensors every_type() {
  NamedTensors tensors;
  for (const auto dtype : {at::kBool, at::kByte, at::kChar, at::kShort, at::kHalf, at::kBFloat16, at::kInt, at::kFloat,
                           at::kDouble, at::kLong}) {
    tensors.emplace_back(cat("t.", c10::toString(dtype)), at::arange(-7, 8, at::kFloat).to(dtype).reshape({3, 5}));
  }
  for (const auto dtype : {at::kUInt16, at::kUInt32, at::kUInt64, at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    tensors.emplace_back(cat("t.", c10::toString(dtype)),
                         at::arange(0, 3 * static_cast<std::int64_t>(at::elementSize(dtype)), at::kByte).view(dtype));
  }
  tensors.emplace_back("empty", at::empty({0, 4}));
  tensors.emplace_back("scalar", at::full({}, 2.5));
  return tensors;
}

TEST(Safetensors, RoundTripsEveryTypeBitwise) {
  const TempDir dir;
  const NamedTensors tensors = every_type();
  const FileDigest digest = write_safetensors(dir / "t.safetensors", tensors, {{"format", "pt"}});
  EXPECT_EQ(digest, digest_file(dir / "t.safetensors"));
  EXPECT_EQ(digest, digest_bytes(read_file(dir / "t.safetensors")));
  EXPECT_EQ(digest.size, safetensors_size(tensors, {{"format", "pt"}}));

  const SafetensorsFile file(dir / "t.safetensors");
  EXPECT_EQ(file.metadata(), (TensorMetadata{{"format", "pt"}}));
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (const auto& [name, expected] : tensors) {
    const at::Tensor actual = file.tensor(name);
    ASSERT_EQ(actual.scalar_type(), expected.scalar_type()) << name;
    ASSERT_EQ(actual.sizes(), expected.sizes()) << name;
    if (expected.numel() == 0) continue;  // no address to compare at
    EXPECT_EQ(std::memcmp(actual.data_ptr(), expected.data_ptr(), expected.nbytes()), 0) << name;
  }
}

TEST(Safetensors, KeepsSpecialValues) {
  const TempDir dir;
  const at::Tensor odd = at::tensor({NAN, INFINITY, -INFINITY, -0.0F, 1e-45F});
  write_safetensors(dir / "t.safetensors", {{"odd", odd}});
  EXPECT_TRUE(same_bits(SafetensorsFile(dir / "t.safetensors").tensor("odd"), odd));
}

TEST(Safetensors, WritesStridedTensorsRowMajor) {
  const TempDir dir;
  const at::Tensor matrix = at::arange(12, at::kFloat).reshape({3, 4});
  const at::Tensor parameter = at::ones({2}).requires_grad_();
  write_safetensors(dir / "t.safetensors", {{"a", matrix.t()}, {"b", matrix.select(1, 2)}, {"c", parameter}});
  const SafetensorsFile file(dir / "t.safetensors");
  EXPECT_TRUE(same_bits(file.tensor("a"), matrix.t().contiguous()));
  EXPECT_TRUE(same_bits(file.tensor("b"), matrix.select(1, 2).contiguous()));
}

TEST(Safetensors, BytesDependOnContentsOnly) {
  const TempDir dir;
  NamedTensors tensors = every_type();
  const FileDigest first = write_safetensors(dir / "a", tensors);
  std::reverse(tensors.begin(), tensors.end());
  EXPECT_EQ(write_safetensors(dir / "b", tensors), first);
  tensors[0].second.fill_(2.25);
  EXPECT_NE(write_safetensors(dir / "b", tensors).xxh3, first.xxh3);
}

TEST(Safetensors, AlignsDataAndOrdersByElementSizeThenName) {
  const TempDir dir;
  write_safetensors(dir / "t", {{"z", at::ones({3}, at::kByte)},
                                {"b", at::ones({3}, at::kBFloat16)},
                                {"c", at::ones({3}, at::kFloat)},
                                {"a", at::ones({3}, at::kFloat)},
                                {"d", at::ones({3}, at::kDouble)}});
  const SafetensorsFile file(dir / "t");
  std::string order;
  for (const auto& entry : file.entries()) {
    order += entry.name;
    EXPECT_EQ(entry.begin % static_cast<std::int64_t>(at::elementSize(entry.dtype)), 0) << entry.name;
  }
  EXPECT_EQ(order, "dacbz");
  EXPECT_EQ(file.entries()[0].begin % 8, 0);
}

TEST(Safetensors, ViewsOutliveTheFileAndMayBeWritten) {
  const TempDir dir;
  write_safetensors(dir / "t", {{"a", at::ones({1000})}});
  const FileDigest before = digest_file(dir / "t");
  at::Tensor view;
  {
    const SafetensorsFile file(dir / "t");
    view = file.tensor("a");
  }
  view.mul_(3);
  EXPECT_EQ(view.sum().item<float>(), 3000);
  EXPECT_EQ(digest_file(dir / "t"), before);
}

TEST(Safetensors, ReadsWhatOthersMayWrite) {
  const TempDir dir;
  // Blanks after the JSON, a tensor at an odd offset, empty tensors at both ends.
  const at::Tensor values = at::tensor({1.5F, -2.0F});
  std::string data = "x";
  data.append(static_cast<const char*>(values.data_ptr()), 8);
  write_raw(dir / "t", raw_file(R"({"f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},)"
                                R"("e":{"dtype":"F32","shape":[0],"data_offsets":[9,9]},)"
                                R"("b":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                                R"("e0":{"dtype":"F32","shape":[3,0],"data_offsets":[0,0]}}   )",
                                data));
  const SafetensorsFile file(dir / "t");
  EXPECT_TRUE(same_bits(file.tensor("f"), values));
  EXPECT_EQ(file.tensor("b").item<int>(), 'x');
  EXPECT_EQ(file.tensor("e0").sizes(), (at::IntArrayRef{3, 0}));
  write_raw(dir / "none", raw_file("{}", ""));
  EXPECT_TRUE(SafetensorsFile(dir / "none").entries().empty());
}

TEST(Safetensors, NamesAMissingTensorWithASuggestion) {
  const TempDir dir;
  write_safetensors(dir / "t", {{"embedding.weight", at::ones({2})}});
  const SafetensorsFile file(dir / "t");
  EXPECT_TRUE(has(message_of<CheckpointError>([&] { file.tensor("embeding.weight"); }), ((dir / "t").string()),
                  "did you mean 'embedding.weight'"));
}

TEST(Safetensors, RefusesBrokenLengths) {
  EXPECT_TRUE(has(refusal(""), "only 0 bytes"));
  EXPECT_TRUE(has(refusal("1234567"), "only 7 bytes"));
  EXPECT_TRUE(has(refusal(raw_file("{}", "").substr(0, 9)), "claims 2 bytes"));
  std::string huge(8, '\xff');
  EXPECT_TRUE(has(refusal(huge + "{}"), "the limit is 100000000"));
  const std::uint64_t over = 100'000'001;
  std::memcpy(huge.data(), &over, 8);
  EXPECT_TRUE(has(refusal(huge + "{}"), "the limit is 100000000"));
  EXPECT_TRUE(has(refusal(std::string(8, '\0')), "begin with '{'"));
}

TEST(Safetensors, RefusesBrokenHeaders) {
  EXPECT_TRUE(has(refusal(raw_file(" {}", "")), "begin with '{'"));
  EXPECT_TRUE(has(refusal(raw_file("{", "")), "ends too early"));
  EXPECT_TRUE(has(refusal(raw_file("{}x", "")), "not valid JSON"));
  EXPECT_TRUE(has(refusal(raw_file("{\"\xff\":1}", "")), "not valid JSON"));
  EXPECT_TRUE(has(refusal(raw_file(R"({"__metadata__":{"a":1}})", "")), "not a string"));
  EXPECT_TRUE(has(refusal(raw_file(R"({"__metadata__":[]})", "")), "not an object"));
  const std::string entry = R"("w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_TRUE(has(refusal(raw_file("{" + entry + "," + entry + "}", "x")), "'w' twice"));
  EXPECT_TRUE(has(refusal(raw_file(R"({"w":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x")),
                  "'dtype' twice"));
}

std::string refused_entry(const std::string& entry, const std::string& data) {
  const std::string message = refusal(raw_file(R"({"layers.0.w":)" + entry + "}", data));
  EXPECT_TRUE(has(message, "'layers.0.w'"));
  return message;
}

TEST(Safetensors, RefusesBrokenEntries) {
  EXPECT_TRUE(has(refused_entry("7", ""), "object"));
  EXPECT_TRUE(has(refused_entry(R"({"shape":[1],"data_offsets":[0,1]})", "x"), "lacks 'dtype'"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","data_offsets":[0,1]})", "x"), "lacks 'shape'"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[1]})", "x"), "lacks 'data_offsets'"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1})", "x"), "key 'x'"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"F7","shape":[1],"data_offsets":[0,1]})", "x"), "dtype 'F7'"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":8,"shape":[1],"data_offsets":[0,1]})", "x"), "dtype"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})", "x"), "with -1"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[1.0],"data_offsets":[0,1]})", "x"), "with 1.0"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":1,"data_offsets":[0,1]})", "x"), "not a list"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[1],"data_offsets":[1,0]})", "x"), "rising pair"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1,2]})", "x"), "rising pair"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,4]})", "1234"), "needs 12"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]})", ""),
                  "more than can be counted"));
  EXPECT_TRUE(has(refused_entry(R"({"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]})", "x"),
                  "18446744073709551615"));
}

TEST(Safetensors, RefusesOverlapsHolesAndWrongEnds) {
  const auto two = [](const char* a, const char* b, const std::string& data) {
    return refusal(raw_file(cat(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)", a,
                                R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)", b, "}}"),
                            data));
  };
  EXPECT_TRUE(has(two("[0,2]", "[1,3]", "xxx"), "'a' and 'b' overlap"));
  EXPECT_TRUE(has(two("[0,2]", "[3,5]", "xxxxx"), "1 unused bytes before tensor 'b'"));
  EXPECT_TRUE(has(two("[1,3]", "[3,5]", "xxxxx"), "1 unused bytes before tensor 'a'"));
  EXPECT_TRUE(has(two("[0,2]", "[2,4]", "xxx"), "tensor 'b'", "truncated?"));
  EXPECT_TRUE(has(two("[0,2]", "[2,4]", "xxxxx"), "1 unused bytes after"));
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const TempDir dir;
  write_safetensors(dir / "t", {{"a", at::ones({5})}, {"b", at::ones({3}, at::kByte)}});
  const std::string bytes = read_file(dir / "t");
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_NE(refusal(bytes.substr(0, size)), "") << size;
}

TEST(Safetensors, RefusesToWriteWhatCannotBeRead) {
  const TempDir dir;
  EXPECT_TRUE(has(message_of<CheckpointError>([&] {
                    write_safetensors(dir / "t", {{"w", at::ones({1})}, {"w", at::ones({1})}});
                  }),
                  "'w'"));
  EXPECT_THROW(write_safetensors(dir / "t", {{"__metadata__", at::ones({1})}}), CheckpointError);
  EXPECT_TRUE(has(message_of<CheckpointError>([&] {
                    write_safetensors(dir / "t", {{"c", at::ones({1}, at::kComplexFloat)}});
                  }),
                  "'c'", "ComplexFloat"));
}

TEST(Safetensors, ReportsTheFileSystemsErrors) {
  const TempDir dir;
  EXPECT_TRUE(has(message_of<CheckpointError>([&] {
                    write_safetensors("/dev/full", {{"a", at::ones({1 << 20})}});
                  }),
                  "/dev/full", "No space left"));
  EXPECT_TRUE(has(message_of<CheckpointError>([&] {
                    write_safetensors(dir / "no" / "t", {{"a", at::ones({1})}});
                  }),
                  "No such file"));
  EXPECT_TRUE(has(message_of<CheckpointError>([&] { SafetensorsFile file(dir / "absent"); }), "No such file"));
  EXPECT_TRUE(has(message_of<CheckpointError>([&] { SafetensorsFile file(dir.path()); }), "Is a directory"));
}

}  // namespace
}  // namespace ingot
