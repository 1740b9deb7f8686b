# SPDX-License-Identifier: GPL-3.0-or-later
SHELL := /bin/bash
export LC_ALL := C.UTF-8

env:
	@bash tools/env.sh
