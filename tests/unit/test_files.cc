// test_files.cc - claims about whole files: a crash or a full disk never leaves half of one.
#include "base/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fs = std::filesystem;

namespace {

// What the system may do and never does on a healthy disk: src/files.c calls the two functions below
// in place of the C library's.
struct Faults {
    std::atomic<size_t> most_written{SIZE_MAX}; // a write takes no more bytes than this
    std::atomic<int> interrupted{0};            // so many writes and fsyncs fail with EINTR first
    std::atomic<int> fsync_of_file{0};          // the errno of fsync, on a file and on a directory
    std::atomic<int> fsync_of_directory{0};
    void clear() {
        most_written = SIZE_MAX;
        interrupted = fsync_of_file = fsync_of_directory = 0;
    }
    bool interrupt() {
        if (interrupted == 0) return false;
        interrupted--;
        errno = EINTR;
        return true;
    }
} faults;

} // namespace

extern "C" ssize_t write(int fd, const void *bytes, size_t size) {
    if (faults.interrupt()) return -1;
    return syscall(SYS_write, fd, bytes, std::min(size, faults.most_written.load()));
}

extern "C" int fsync(int fd) {
    struct stat info = {};
    fstat(fd, &info);
    const int code = S_ISDIR(info.st_mode) ? faults.fsync_of_directory : faults.fsync_of_file;
    if (faults.interrupt()) return -1;
    if (code == 0) return static_cast<int>(syscall(SYS_fsync, fd));
    errno = code;
    return -1;
}

namespace {

testing::AssertionResult says(const lenet_error &err, const std::string &part) {
    if (std::string(err.text).find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "the error \"" << err.text << "\" does not say \"" << part << "\"";
}

// A stand-in for a full disk that stops root, too: no file may grow beyond this size, EFBIG.
class SizeLimit {
  public:
    explicit SizeLimit(rlim_t bytes) {
        getrlimit(RLIMIT_FSIZE, &old_);
        old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {bytes, old_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~SizeLimit() {
        setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, old_handler_);
    }
    SizeLimit(const SizeLimit &) = delete;
    SizeLimit &operator=(const SizeLimit &) = delete;

  private:
    struct rlimit old_ = {};
    void (*old_handler_)(int) = nullptr;
};

class Files : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "lenet_files_XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        directory = name;
    }
    void TearDown() override {
        faults.clear();
        if (!directory.empty()) fs::remove_all(directory);
    }

    std::string at(const std::string &name) const { return directory + "/" + name; }

    static void put(const std::string &path, const std::string &text) { std::ofstream(path, std::ios::binary) << text; }

    static std::string get(const std::string &path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    // Everything that is there, so that a temporary file left behind shows.
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto &entry : fs::directory_iterator(directory)) result.push_back(entry.path().filename());
        std::sort(result.begin(), result.end());
        return result;
    }

    lenet_status replace(const std::string &path, const std::string &text) {
        return lenet_file_replace(path.c_str(), text.data(), text.size(), &err);
    }
    lenet_status append(const std::string &path, const std::string &text) {
        return lenet_file_append(path.c_str(), text.data(), text.size(), &err);
    }
    lenet_status read(const std::string &path, std::string *text, size_t most = 1 << 20) {
        char *bytes = nullptr;
        size_t size = 0;
        const lenet_status status = lenet_file_read(path.c_str(), "a letter", most, &bytes, &size, &err);
        if (status == LENET_OK) {
            EXPECT_EQ(bytes[size], '\0') << "a text can be used as a string";
            text->assign(bytes, size);
        } else {
            EXPECT_EQ(bytes, nullptr);
            EXPECT_EQ(size, 0u);
        }
        free(bytes);
        return status;
    }

    using Names = std::vector<std::string>;
    std::string directory;
    lenet_error err = {};
};

// ---- read ----

TEST_F(Files, ReadGivesEveryByteBackAlsoZeros) {
    std::string text("a\0b\n\xff", 5), got;
    put(at("f"), text);
    ASSERT_EQ(read(at("f"), &got), LENET_OK) << err.text;
    EXPECT_EQ(got, text);
    put(at("empty"), "");
    ASSERT_EQ(read(at("empty"), &got), LENET_OK) << err.text;
    EXPECT_EQ(got, "");
}

TEST_F(Files, ReadTakesAPipeWhoseSizeIsNotKnownBefore) {
    std::string text(300000, '\0'), got;
    for (size_t i = 0; i < text.size(); i++) text[i] = static_cast<char>(i * 7 % 251);
    ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
    std::thread writer([&] { put(at("pipe"), text); });
    const lenet_status status = read(at("pipe"), &got);
    writer.join();
    ASSERT_EQ(status, LENET_OK) << err.text;
    EXPECT_TRUE(got == text);
}

TEST_F(Files, ReadRefusesADirectoryAndAMissingFileByName) {
    std::string got;
    EXPECT_EQ(read(directory, &got), LENET_ERR_IO);
    EXPECT_TRUE(says(err, directory));
    EXPECT_TRUE(says(err, strerror(EISDIR)));
    EXPECT_EQ(read(at("missing"), &got), LENET_ERR_IO);
    EXPECT_TRUE(says(err, at("missing")));
    EXPECT_TRUE(says(err, strerror(ENOENT)));
    EXPECT_TRUE(says(err, "misspelt"));
}

TEST_F(Files, ReadRefusesDevicesOfWhichSomeHaveNoEnd) {
    std::string got;
    EXPECT_EQ(read("/dev/null", &got), LENET_ERR_IO);
    EXPECT_TRUE(says(err, "/dev/null: is a device"));
}

TEST_F(Files, ReadRefusesAPipeThatNobodyWritesTo) {
    std::string got;
    ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
    EXPECT_EQ(read(at("pipe"), &got), LENET_ERR_IO);
    EXPECT_TRUE(says(err, "pipe: is a pipe that nobody writes to"));
}

TEST_F(Files, ReadTakesAPipeWhoseWriterHasGone) {
    std::string got;
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_EQ(write(ends[1], "abc", 3), 3);
    close(ends[1]);
    EXPECT_EQ(read("/dev/fd/" + std::to_string(ends[0]), &got), LENET_OK) << err.text;
    EXPECT_EQ(got, "abc");
    EXPECT_EQ(read("/dev/fd/" + std::to_string(ends[0]), &got), LENET_OK) << err.text;
    EXPECT_EQ(got, "");
    close(ends[0]);
}

TEST_F(Files, ReadRefusesMoreThanItsReaderWants) {
    std::string got;
    put(at("f"), std::string(100, 'x'));
    EXPECT_EQ(read(at("f"), &got, 100), LENET_OK) << err.text;
    EXPECT_EQ(read(at("f"), &got, 99), LENET_ERR_FORMAT);
    EXPECT_TRUE(says(err, "f: has 100 bytes; a letter has at most 99"));
    fs::resize_file(at("f"), size_t{1} << 40);
    EXPECT_EQ(read(at("f"), &got), LENET_ERR_FORMAT) << "and takes no memory for it";
    EXPECT_TRUE(says(err, "has 1099511627776 bytes"));
    ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
    std::thread writer([&] { put(at("pipe"), std::string(3000, 'x')); });
    EXPECT_EQ(read(at("pipe"), &got, 2000), LENET_ERR_FORMAT);
    EXPECT_TRUE(says(err, "pipe: has more than 2000 bytes"));
    writer.join();
}

TEST_F(Files, ReadTakesFilesThatSayTheyHaveNoBytes) {
    std::string got;
    EXPECT_EQ(read("/proc/self/status", &got), LENET_OK) << err.text;
    EXPECT_NE(got.find("Name:"), std::string::npos);
}

TEST_F(Files, AppendDoesNotWaitForAPipesReader) {
    ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
    EXPECT_EQ(append(at("pipe"), "x"), LENET_ERR_IO);
}

TEST_F(Files, AFailureNeedsNoPlaceForItsMessage) {
    char *bytes;
    size_t size;
    EXPECT_EQ(lenet_file_read(at("missing").c_str(), "", 1, &bytes, &size, nullptr), LENET_ERR_IO);
    EXPECT_EQ(lenet_file_replace(at("missing/f").c_str(), "x", 1, nullptr), LENET_ERR_IO);
    EXPECT_EQ(lenet_file_append(at("missing/f").c_str(), "x", 1, nullptr), LENET_ERR_IO);
}

// ---- replace ----

TEST_F(Files, ReplaceWritesAllBytesAndLeavesNothingElse) {
    std::string text(1 << 20, 'x');
    ASSERT_EQ(replace(at("f"), "old"), LENET_OK) << err.text;
    ASSERT_EQ(replace(at("f"), text), LENET_OK) << err.text;
    EXPECT_TRUE(get(at("f")) == text);
    ASSERT_EQ(replace(at("f"), ""), LENET_OK) << err.text;
    EXPECT_EQ(get(at("f")), "");
    EXPECT_EQ(names(), Names{"f"});
}

TEST_F(Files, ReplaceTakesANameWithoutADirectory) {
    const fs::path before = fs::current_path();
    fs::current_path(directory);
    const lenet_status status = replace("plain", "here");
    fs::current_path(before);
    ASSERT_EQ(status, LENET_OK) << err.text;
    EXPECT_EQ(get(at("plain")), "here");
}

TEST_F(Files, OldContentSurvivesAReplaceThatRunsOutOfSpace) {
    put(at("f"), "old content");
    lenet_status status;
    {
        const SizeLimit limit(1000);
        status = replace(at("f"), std::string(5000, 'n'));
    }
    EXPECT_EQ(status, LENET_ERR_IO);
    EXPECT_TRUE(says(err, at("f")));
    EXPECT_TRUE(says(err, strerror(EFBIG)));
    EXPECT_EQ(get(at("f")), "old content");
    EXPECT_EQ(names(), Names{"f"}) << "no temporary file is left behind";
}

TEST_F(Files, AReplaceThatFailsMakesNoNewFile) {
    lenet_status status;
    {
        const SizeLimit limit(10);
        status = replace(at("f"), std::string(11, 'n'));
    }
    EXPECT_EQ(status, LENET_ERR_IO);
    EXPECT_EQ(names(), Names{});
}

TEST_F(Files, ShortAndInterruptedWritesStillWriteEveryByteInOrder) {
    const std::string text = "0123456789abcdefghij";
    faults.most_written = 3;
    faults.interrupted = 2;
    ASSERT_EQ(replace(at("f"), text), LENET_OK) << err.text;
    EXPECT_EQ(faults.interrupted, 0);
    faults.most_written = 1;
    faults.interrupted = 2;
    ASSERT_EQ(append(at("f"), "klm"), LENET_OK) << err.text;
    EXPECT_EQ(get(at("f")), text + "klm");
}

TEST_F(Files, AnInterruptedFsyncIsTriedAgain) {
    faults.interrupted = 1; // nothing is written, so it is fsync's
    ASSERT_EQ(replace(at("f"), ""), LENET_OK) << err.text;
    EXPECT_EQ(faults.interrupted, 0);
}

TEST_F(Files, BytesThatDoNotReachTheDiskReplaceNothing) {
    put(at("f"), "old");
    faults.fsync_of_file = EIO;
    EXPECT_EQ(replace(at("f"), "new"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, strerror(EIO)));
    EXPECT_EQ(append(at("f"), "new"), LENET_ERR_IO);
    EXPECT_EQ(get(at("f")), "old");
    EXPECT_EQ(names(), Names{"f"});
}

TEST_F(Files, AFailingFsyncOfTheDirectoryIsToldUnlessItIsNotSupported) {
    faults.fsync_of_directory = EIO;
    EXPECT_EQ(replace(at("f"), "new"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, "directory"));
    EXPECT_EQ(append(at("log"), "record"), LENET_ERR_IO) << "a new file's directory is synced, too";
    EXPECT_EQ(get(at("log")), "");
    faults.fsync_of_directory = EINVAL;
    EXPECT_EQ(replace(at("f"), "newer"), LENET_OK) << err.text;
    EXPECT_EQ(append(at("log"), "record"), LENET_OK) << err.text;
}

TEST_F(Files, TheCauseOfAFullDiskIsNamed) {
    const std::pair<int, const char *> causes[] = {
        {ENOSPC, "disk full"}, {EDQUOT, "quota"}, {EROFS, "read-only"}, {EACCES, "read-only"}, {EPERM, "another user"}};
    for (const auto &cause : causes) {
        faults.fsync_of_file = cause.first;
        EXPECT_EQ(replace(at("f"), "x"), LENET_ERR_IO);
        EXPECT_TRUE(says(err, strerror(cause.first)));
        EXPECT_TRUE(says(err, cause.second));
    }
}

TEST_F(Files, ReplaceRefusesADirectoryThatIsNotThereAndAFileInItsPlace) {
    EXPECT_EQ(replace(at("missing/f"), "x"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, at("missing/f")));
    EXPECT_TRUE(says(err, strerror(ENOENT)));
    put(at("file"), "old");
    EXPECT_EQ(replace(at("file/f"), "x"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, strerror(ENOTDIR)));
    EXPECT_EQ(get(at("file")), "old");
    EXPECT_EQ(names(), Names{"file"});
}

TEST_F(Files, ReplaceRefusesDirectoriesAndDevices) {
    ASSERT_TRUE(fs::create_directory(at("d")));
    EXPECT_EQ(replace(at("d"), "x"), LENET_ERR_IO);
    EXPECT_EQ(replace(at("d/"), "x"), LENET_ERR_IO);
    EXPECT_EQ(replace("", "x"), LENET_ERR_IO);
    fs::create_symlink("/dev/null", at("null")); // not /dev/null itself: should this fail, root would lose it
    EXPECT_EQ(replace(at("null"), "x"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, "device"));
    EXPECT_EQ(names(), (Names{"d", "null"}));

    const std::string open_file = "/proc/self/fd/" + std::to_string(open(at("f").c_str(), O_CREAT | O_WRONLY, 0600));
    fs::create_symlink(open_file, at("stdout")); // as /dev/stdout is, where the shell has sent it to a file
    fs::create_symlink("/proc/self/fd/999", at("closed"));
    for (const char *name : {"stdout", "closed"}) {
        EXPECT_EQ(replace(at(name), "x"), LENET_ERR_IO);
        EXPECT_TRUE(says(err, "device"));
        EXPECT_TRUE(fs::is_symlink(at(name)));
    }
    EXPECT_EQ(names(), (Names{"closed", "d", "f", "null", "stdout"}));
    EXPECT_EQ(fs::file_size(at("f")), 0u);
    EXPECT_TRUE(fs::is_empty(at("d")));
}

TEST_F(Files, RemoveRemovesAFileAndMissesNone) {
    put(at("f"), "x");
    for (int i = 0; i < 2; i++) EXPECT_EQ(lenet_file_remove(at("f").c_str(), &err), LENET_OK) << err.text;
    EXPECT_EQ(names(), Names{});
    ASSERT_TRUE(fs::create_directory(at("d")));
    EXPECT_EQ(lenet_file_remove(at("d").c_str(), &err), LENET_ERR_IO);
    EXPECT_TRUE(says(err, "d: cannot remove"));
}

TEST_F(Files, ReplaceRefusesANameTooLongForItsTemporaryFile) {
    EXPECT_EQ(replace(at(std::string(250, 'n')), "x"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, strerror(ENAMETOOLONG)));
    EXPECT_EQ(names(), Names{});
}

TEST_F(Files, AKilledProcessesTemporaryFileIsNotInTheWay) {
    const std::string stale = ".f.tmp." + std::to_string(getpid()) + ".0";
    put(at(stale), "half of one");
    ASSERT_EQ(replace(at("f"), "new"), LENET_OK) << err.text;
    EXPECT_EQ(get(at("f")), "new");
    EXPECT_EQ(get(at(stale)), "half of one") << "it may be another thread's";
}

TEST_F(Files, AReaderSeesTheOldFileOrTheNewOneAndNoMixture) {
    const std::string a(100000, 'a'), b(200, 'b');
    ASSERT_EQ(replace(at("f"), a), LENET_OK) << err.text;
    lenet_status written[2] = {LENET_OK, LENET_OK};
    auto write = [&](int i) { // two writers: neither may publish the other's half-written file
        for (int k = 0; k < 50 && written[i] == LENET_OK; k++)
            written[i] = lenet_file_replace(at("f").c_str(), (k + i) % 2 ? b.data() : a.data(),
                                            (k + i) % 2 ? b.size() : a.size(), nullptr);
    };
    std::thread first(write, 0), second(write, 1);
    bool whole = true;
    std::string got;
    for (int k = 0; k < 500 && whole; k++) whole = read(at("f"), &got) == LENET_OK && (got == a || got == b);
    first.join();
    second.join();
    EXPECT_TRUE(whole) << got.size() << " bytes were there";
    EXPECT_EQ(written[0], LENET_OK);
    EXPECT_EQ(written[1], LENET_OK);
    EXPECT_EQ(names(), Names{"f"});
}

// ---- append ----

TEST_F(Files, AppendCreatesAndThenKeepsWhatIsThere) {
    ASSERT_EQ(append(at("log"), "one\n"), LENET_OK) << err.text;
    ASSERT_EQ(append(at("log"), ""), LENET_OK) << err.text;
    ASSERT_EQ(append(at("log"), "two\n"), LENET_OK) << err.text;
    EXPECT_EQ(get(at("log")), "one\ntwo\n");
    EXPECT_EQ(names(), Names{"log"});
}

TEST_F(Files, AFailedAppendLeavesNoPartOfTheRecord) {
    ASSERT_EQ(append(at("log"), "one\n"), LENET_OK) << err.text;
    lenet_status status;
    {
        const SizeLimit limit(10); // 4 bytes are there: 6 of the record's 100 are written, then no more
        status = append(at("log"), std::string(100, 'r'));
    }
    EXPECT_EQ(status, LENET_ERR_IO);
    EXPECT_TRUE(says(err, at("log")));
    EXPECT_TRUE(says(err, strerror(EFBIG)));
    EXPECT_EQ(get(at("log")), "one\n");
    ASSERT_EQ(append(at("log"), "two\n"), LENET_OK) << err.text;
    EXPECT_EQ(get(at("log")), "one\ntwo\n");
}

TEST_F(Files, AppendRefusesWhatCannotBeCutOffAgain) {
    EXPECT_EQ(append("/dev/full", "x"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, "/dev/full: is not an ordinary file"));
    EXPECT_EQ(append(directory, "x"), LENET_ERR_IO);
    EXPECT_EQ(append(at("missing/log"), "x"), LENET_ERR_IO);
    EXPECT_TRUE(says(err, strerror(ENOENT)));
}

// ---- directories ----

TEST_F(Files, DirectoriesAreMadeWithTheirParents) {
    for (const char *name : {"a/b/c", "a/b/c", "a", "x//y/", "./a/./z"}) {
        ASSERT_EQ(lenet_directory_create(at(name).c_str(), &err), LENET_OK) << name << ": " << err.text;
        EXPECT_TRUE(fs::is_directory(at(name))) << name;
    }
    EXPECT_EQ(lenet_directory_create("/", &err), LENET_OK) << err.text;
    EXPECT_EQ(lenet_directory_create(".", &err), LENET_OK) << err.text;
    fs::create_directory_symlink("a", at("link"));
    EXPECT_EQ(lenet_directory_create(at("link/new").c_str(), &err), LENET_OK) << err.text;
    EXPECT_TRUE(fs::is_directory(at("a/new")));
}

TEST_F(Files, ADirectoryIsClaimedOnce) {
    std::atomic<int> makers{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; i++)
        threads.emplace_back([&] {
            int made = 0;
            EXPECT_EQ(lenet_directory_claim(at("a/b/c").c_str(), &made, nullptr), LENET_OK);
            makers += made;
        });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(makers, 1);
    int made = 1;
    put(at("file"), "");
    ASSERT_EQ(lenet_directory_claim(at("file").c_str(), &made, &err), LENET_OK) << err.text;
    EXPECT_EQ(made, 0) << "the name is not free";
    EXPECT_EQ(lenet_directory_claim(at("file/below").c_str(), &made, &err), LENET_ERR_IO);
    EXPECT_TRUE(says(err, at("file")));
}

TEST_F(Files, OfADirectoryTheTemporariesAreClearedAndNothingElse) {
    const Names kept = {".f.tmp",     ".f.tmp.1", ".f.tmp.1.", ".f.tmp.1.2.x", ".f.tmp.1.b",
                        ".f.tmp.a.0", ".mine",    "f",         "f.tmp.1.2",    "x.f.tmp.1.2"};
    for (const std::string &name : kept) put(at(name), "");
    for (const char *name : {".f.tmp.1.2", ".last.safetensors.tmp.12345.63", ".f.tmp.1.2.tmp.3.4", ".x y.json.tmp.7.0"})
        put(at(name), "half");
    EXPECT_EQ(lenet_directory_clear_temporaries(directory.c_str(), &err), LENET_OK) << err.text;
    EXPECT_EQ(names(), kept);
    EXPECT_EQ(lenet_directory_clear_temporaries(at("missing").c_str(), &err), LENET_OK) << err.text;
}

TEST_F(Files, ACutFileKeepsItsFirstBytes) {
    put(at("f"), "one\ntwo\nthr");
    ASSERT_EQ(lenet_file_cut(at("f").c_str(), 8, &err), LENET_OK) << err.text;
    EXPECT_EQ(get(at("f")), "one\ntwo\n");
    ASSERT_EQ(lenet_file_cut(at("f").c_str(), 100, &err), LENET_OK) << err.text;
    EXPECT_EQ(get(at("f")), "one\ntwo\n");
    EXPECT_EQ(lenet_file_cut(at("missing").c_str(), 1, &err), LENET_ERR_IO);
    EXPECT_EQ(names(), Names{"f"});
}

TEST_F(Files, ADirectoryIsRefusedWhereAFileIsInTheWay) {
    put(at("file"), "old");
    EXPECT_EQ(lenet_directory_create(at("file").c_str(), &err), LENET_ERR_IO);
    EXPECT_TRUE(says(err, at("file")));
    EXPECT_EQ(lenet_directory_create(at("file/below/it").c_str(), &err), LENET_ERR_IO);
    EXPECT_EQ(std::string(err.text).find(at("file/below")), std::string::npos)
        << "what is in the way is named, and nothing below it: " << err.text;
    EXPECT_TRUE(says(err, at("file")));
    EXPECT_EQ(lenet_directory_create("", &err), LENET_ERR_IO);
    EXPECT_EQ(get(at("file")), "old");
}

TEST_F(Files, APathLeadsToAFileOrADirectoryOrNothing) {
    put(at("file"), "");
    put(at("full"), "x");
    fs::create_symlink("nowhere", at("dangling"));
    fs::create_directory_symlink(directory, at("link"));
    const auto look = [&](const std::string &path) {
        lenet_path is = (lenet_path)-1;
        EXPECT_EQ(lenet_path_look(path.c_str(), &is, &err), LENET_OK) << err.text;
        return is;
    };
    const auto has = [&](const char *name) {
        int is = -1;
        EXPECT_EQ(lenet_directory_has(directory.c_str(), name, &is, &err), LENET_OK) << err.text;
        return is;
    };
    const auto empty = [&](const char *name) {
        int is = -1;
        EXPECT_EQ(lenet_path_is_empty(at(name).c_str(), &is, &err), LENET_OK) << err.text;
        return is;
    };
    EXPECT_EQ(look(at("file")), LENET_FILE);
    EXPECT_EQ(look(directory), LENET_DIRECTORY);
    EXPECT_EQ(look(at("link")), LENET_DIRECTORY);
    for (const char *name : {"missing", "dangling", "file/below"}) {
        EXPECT_EQ(look(at(name)), LENET_NOTHING) << name;
        EXPECT_EQ(has(name), 0) << name;
        EXPECT_EQ(empty(name), 0) << name;
    }
    for (const char *name : {"file", "link", "."}) EXPECT_EQ(has(name), 1) << name;
    EXPECT_EQ(empty("file"), 1);
    EXPECT_EQ(empty("full"), 0);
    EXPECT_EQ(empty("link"), 0);
}

TEST_F(Files, WhatCannotBeLookedAtIsNotAbsent) {
    const std::string long_name = at(std::string(300, 'a')), loop = at("loop");
    fs::create_symlink("loop", loop);
    for (const std::string &path : {long_name, loop, loop + "/below"}) {
        const int code = path == long_name ? ENAMETOOLONG : ELOOP;
        const std::string name = path.substr(directory.size() + 1);
        lenet_path is;
        int has;
        char *const file = const_cast<char *>(path.c_str());
        const std::vector<std::pair<const char *, std::function<lenet_status()>>> calls = {
            {"look", [&] { return lenet_path_look(file, &is, &err); }},
            {"has", [&] { return lenet_directory_has(directory.c_str(), name.c_str(), &has, &err); }},
            {"is empty", [&] { return lenet_path_is_empty(file, &has, &err); }},
            {"is the same", [&] { return lenet_path_is_same(directory.c_str(), file, &has, &err); }},
            {"is the same, the other way", [&] { return lenet_path_is_same(file, directory.c_str(), &has, &err); }},
            {"clear", [&] { return lenet_directory_clear_temporaries(file, &err); }},
            {"each", [&] { return lenet_directory_each(file, "", "", nullptr, nullptr, &err); }},
            {"create", [&] { return lenet_directory_create(file, &err); }},
        };
        for (const auto &[what, call] : calls) {
            err = {};
            EXPECT_EQ(call(), LENET_ERR_IO) << what << " " << path;
            EXPECT_TRUE(says(err, path.substr(0, path.find("/below")))) << what << ": " << err.text;
            EXPECT_TRUE(says(err, strerror(code))) << what << ": " << err.text;
        }
    }
}

TEST_F(Files, NothingIsAppendedThroughALink) {
    put(at("elsewhere"), "mine");
    fs::create_symlink("elsewhere", at("link"));
    fs::create_symlink("nowhere", at("dangling"));
    for (const char *name : {"link", "dangling"}) {
        EXPECT_EQ(lenet_file_append(at(name).c_str(), "x", 1, &err), LENET_ERR_IO);
        EXPECT_TRUE(says(err, at(name))) << err.text;
        EXPECT_TRUE(says(err, "symbolic link")) << err.text;
    }
    EXPECT_EQ(get(at("elsewhere")), "mine");
    EXPECT_FALSE(fs::exists(at("nowhere")));
}

TEST_F(Files, AListHasTheNamesThatBeginAndEndSoInOrder) {
    for (const char *name : {"b2.x", "b.x", "b10.x", "bx", "ab.x", "b.xy", "b", ".x"}) put(at(name), "");
    const auto list = [&](const std::string &path, const char *begin, const char *end) {
        char **names = nullptr;
        int n = -1;
        Names found;
        EXPECT_EQ(lenet_directory_list(path.c_str(), begin, end, &names, &n, &err), LENET_OK) << err.text;
        for (int i = 0; i < n; i++) {
            found.push_back(names[i]);
            free(names[i]);
        }
        free(names);
        return found;
    };
    EXPECT_EQ(list(directory, "b", ".x"), Names({"b.x", "b10.x", "b2.x"}));
    EXPECT_EQ(list(directory, "bx", "bx"), Names()) << "the two may not overlap";
    EXPECT_EQ(list(directory, "c", ""), Names());
    char **names = nullptr;
    int n = -1;
    for (const std::string &path : {at("b"), at("missing")}) {
        EXPECT_EQ(lenet_directory_list(path.c_str(), "", "", &names, &n, &err), LENET_ERR_IO);
        EXPECT_TRUE(says(err, path)) << err.text;
        EXPECT_EQ(names, nullptr);
    }
}

TEST_F(Files, AnFsyncIsTimedOnAFileThatNobodySees) {
    const auto entries = [&] { return std::distance(fs::directory_iterator(directory), fs::directory_iterator()); };
    const auto before = entries();
    const auto began = std::chrono::steady_clock::now();
    const double here = lenet_directory_sync_seconds(directory.c_str());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    EXPECT_LE(here, took.count()) << "a part of what all of it takes";
    const double parents = lenet_directory_sync_seconds((directory + "/not/there/yet").c_str());
    EXPECT_GE(here, 0);
    EXPECT_EQ(here > 0, parents > 0);
    EXPECT_EQ(entries(), before);
    faults.fsync_of_file = EIO;
    EXPECT_EQ(lenet_directory_sync_seconds(directory.c_str()), 0);
    EXPECT_EQ(lenet_directory_sync_seconds("/proc/self/fd"), 0);
}

// ---- SHA-256 ----

std::string sha256(const std::vector<std::string> &texts) {
    std::vector<lenet_piece> pieces;
    for (const std::string &text : texts) pieces.push_back({text.data(), text.size()});
    char hex[65];
    memset(hex, '?', sizeof hex);
    lenet_error err = {};
    EXPECT_EQ(lenet_sha256(pieces.data(), static_cast<int>(pieces.size()), hex, &err), LENET_OK) << err.text;
    return hex;
}

TEST(Sha256, MatchesTheKnownVectors) { // the first, second and fourth: FIPS 180-2, appendix B
    EXPECT_EQ(sha256({"abc"}), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256({"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"}),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(sha256({std::string(1000000, 'a')}), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesEqualTheWhole) {
    const std::string whole = "The quick brown fox jumps over the lazy dog";
    for (size_t i = 0; i <= whole.size(); i++)
        EXPECT_EQ(sha256({whole.substr(0, i), "", whole.substr(i)}), sha256({whole})) << "cut at " << i;
    const lenet_piece nothing = {nullptr, 0};
    char hex[65];
    ASSERT_EQ(lenet_sha256(&nothing, 1, hex, nullptr), LENET_OK);
    EXPECT_EQ(hex, sha256({}));
}

} // namespace
