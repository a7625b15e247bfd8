// test_lock.cc - claims about lock files: one holder at a time, who is named, and none that a killed process leaves.
#include "base/lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fs = std::filesystem;

namespace {
std::atomic<int> refused{0}; // the errno of every flock
}

// In place of the C library's: some network file systems have no locks.
extern "C" int flock(int file, int operation) {
    if (refused == 0) return static_cast<int>(syscall(SYS_flock, file, operation));
    errno = refused;
    return -1;
}

namespace {

class Lock : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "lenet_lock_XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        path_ = pattern + "/lock";
    }
    void TearDown() override {
        refused = 0;
        fs::remove_all(directory_);
    }
    lenet_lock Take(lenet_lock_wait wait = LENET_LOCK_AT_ONCE) {
        lenet_lock lock = {};
        EXPECT_EQ(lenet_lock_take(path_.c_str(), wait, &lock, &err_), LENET_OK) << err_.text;
        return lock;
    }
    int IsHeld() {
        int held = -1;
        EXPECT_EQ(lenet_lock_is_held(path_.c_str(), &held, &err_), LENET_OK) << err_.text;
        return held;
    }
    std::string Text() const {
        std::ifstream in(path_);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    fs::path directory_;
    std::string path_;
    lenet_error err_ = {};
};

TEST_F(Lock, TheSecondOneIsToldWhoHoldsIt) {
    lenet_lock first = Take(), second = Take();
    EXPECT_NE(first.path, nullptr);
    EXPECT_EQ(second.path, nullptr);
    char host[80] = "";
    gethostname(host, sizeof host - 1);
    EXPECT_EQ(second.holder, "process " + std::to_string(getpid()) + " on " + host);
    EXPECT_EQ(IsHeld(), 1);
    lenet_lock_release(&second); // of nothing
    EXPECT_EQ(IsHeld(), 1);
    lenet_lock_release(&first);
    EXPECT_FALSE(fs::exists(path_));
    EXPECT_EQ(IsHeld(), 0);
    lenet_lock third = Take();
    EXPECT_NE(third.path, nullptr);
    lenet_lock_release(&third);
    lenet_lock_release(&third);
}

TEST_F(Lock, AKilledProcessHoldsNothing) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        lenet_lock lock;
        if (lenet_lock_take(path_.c_str(), LENET_LOCK_AT_ONCE, &lock, nullptr) != LENET_OK || !lock.path) _exit(1);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    char byte;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    const std::string name = "process " + std::to_string(child) + " on ";
    EXPECT_EQ(std::string(Take().holder).substr(0, name.size()), name);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_NE(Text(), "") << "its name is left";
    lenet_lock mine = Take();
    EXPECT_NE(mine.path, nullptr) << mine.holder;
    EXPECT_EQ(std::string(Take().holder).find(name), std::string::npos);
    lenet_lock_release(&mine);
    close(ready[0]);
    close(ready[1]);
}

// Each removes the file that another may just have opened.
TEST_F(Lock, WhoeverWaitsIsAloneWhenItGoesOn) {
    std::atomic<int> inside{0}, most{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&] {
            for (int k = 0; k < 20; k++) {
                lenet_lock lock = {};
                EXPECT_EQ(lenet_lock_take(path_.c_str(), LENET_LOCK_WAIT, &lock, nullptr), LENET_OK);
                EXPECT_NE(lock.path, nullptr);
                if (++inside > most) most = inside.load();
                std::this_thread::yield();
                inside--;
                lenet_lock_release(&lock);
            }
        });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(most, 1);
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(Lock, AHolderWithoutANameIsAnotherProcess) {
    lenet_lock first = Take();
    fs::resize_file(path_, 0);
    EXPECT_STREQ(Take().holder, "another process");
    lenet_lock_release(&first);
}

TEST_F(Lock, WhereThereAreNoLocksItGoesOnAndSaysSo) {
    for (const int code : {ENOLCK, ENOTSUP, ENOSYS, EINVAL})
        for (const lenet_lock_wait wait : {LENET_LOCK_AT_ONCE, LENET_LOCK_WAIT}) {
            refused = code;
            lenet_lock lock = Take(wait);
            EXPECT_EQ(lock.path, nullptr);
            EXPECT_STREQ(lock.missing, strerror(code));
            EXPECT_STREQ(lock.holder, "");
            EXPECT_EQ(IsHeld(), 0);
            EXPECT_FALSE(fs::exists(path_)) << "a file that locks nothing is not left";
            lenet_lock_release(&lock);
        }
}

/* A lock that somebody has replaced by a link to another's file would be opened, emptied and written to. */
TEST_F(Lock, ALinkIsNotFollowed) {
    const std::string mine = directory_ / "mine";
    std::ofstream(mine) << "mine";
    for (const std::string &to : {mine, (directory_ / "nowhere").string()}) {
        fs::create_symlink(to, path_);
        lenet_lock lock = {};
        int held = -1;
        EXPECT_EQ(lenet_lock_take(path_.c_str(), LENET_LOCK_WAIT, &lock, &err_), LENET_ERR_IO);
        EXPECT_NE(std::string(err_.text).find("symbolic link"), std::string::npos) << err_.text;
        EXPECT_EQ(lenet_lock_is_held(path_.c_str(), &held, &err_), LENET_ERR_IO);
        fs::remove(path_);
    }
    std::ifstream in(mine);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "mine");
    EXPECT_FALSE(fs::exists(directory_ / "nowhere"));
}

TEST_F(Lock, AFileThatCannotBeOpenedIsNamed) {
    lenet_lock lock = {};
    for (const std::string &path : {directory_.string(), (directory_ / "missing" / "lock").string()}) {
        EXPECT_EQ(lenet_lock_take(path.c_str(), LENET_LOCK_AT_ONCE, &lock, &err_), LENET_ERR_IO);
        EXPECT_EQ(std::string(err_.text).find(path), 0u) << err_.text;
        EXPECT_EQ(lock.path, nullptr);
    }
}

} // namespace
