/* version.h - what run.json and lenet --version say of this build. CMakeLists.txt reads the version from here. */
#ifndef LENET_VERSION_H
#define LENET_VERSION_H

#define LENET_VERSION "0.2.0"

#if defined(__clang__)
#define LENET_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define LENET_COMPILER "gcc " __VERSION__
#else
#define LENET_COMPILER "unknown"
#endif

#endif
