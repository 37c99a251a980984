# Two images of one static binary:
#   docker build .                    the binary alone, on nothing: what the manifests' init container copies out
#   docker build --target sidecar .   the binary on Node, which runs t3's CLI: for compose
# The tag of the Rust image is the rust-version of Cargo.toml; its Alpine variant builds for musl, which is static.
FROM docker.io/library/rust:1.95-alpine AS build
WORKDIR /src
COPY . .
# --target keeps the flag off build scripts and procedural macros, which cannot be static.
RUN target=$(rustc --print host-tuple) \
    && RUSTFLAGS='-C target-feature=+crt-static' \
        cargo build --release --locked --package t3-dispatcher --target "$target" \
    && mv "target/$target/release/t3-dispatcher" /t3-dispatcher

FROM docker.io/library/node:24-bookworm-slim AS sidecar
COPY --from=build /t3-dispatcher /usr/local/bin/t3-dispatcher
# t3's CLI works for none but the owner of the base directory: node.
USER 1000:1000
EXPOSE 8080 9464
ENTRYPOINT ["/usr/local/bin/t3-dispatcher"]

FROM scratch AS binary
COPY --from=build /t3-dispatcher /t3-dispatcher
USER 1000:1000
EXPOSE 8080 9464
ENTRYPOINT ["/t3-dispatcher"]
