# The program for NVIDIA's GPUs, and for CPUs where there is none.
#   docker build -f docker/cuda.Dockerfile -t lenet-cuda .
# 12.8 is the first that compiles for all architectures of CMakeLists.txt.
FROM nvidia/cuda:12.8.1-devel-ubuntu24.04 AS build
# Versions are those of the base image's distribution.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends build-essential cmake ninja-build \
        pkg-config zlib1g-dev libcjson-dev libssl-dev libpng-dev libjpeg-dev libexif-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN cmake -S /source -B /build -G Ninja -DLENET_CUDA=ON -DBUILD_TESTING=OFF \
    && cmake --build /build \
    && cmake --install /build --strip --prefix /installed \
    && rm -r /installed/include /installed/lib

# cuBLAS is all of the toolkit that the program asks for when it runs.
FROM nvidia/cuda:12.8.1-base-ubuntu24.04
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends libcublas-12-8 \
        zlib1g libcjson1 libssl3t64 libpng16-16t64 libjpeg-turbo8 libexif12 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home lenet
COPY --from=build /installed /usr/local
USER lenet
WORKDIR /mnt
ENTRYPOINT ["lenet"]
CMD ["help"]
