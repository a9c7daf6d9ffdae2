module toolchain/pause

go 1.25.0

tool toolchain/pause
