"""LoRA training for the local GGUF models of better-together: token ids in, LoRA GGUF out.

Reading order: __main__ (the commands), job (what can be asked), prepare (what is checked first), import_gguf
(GGUF to safetensors), sft (the training), lora_gguf (safetensors to GGUF), reference (what the parity gate
compares with), events and lifeline (how the parent hears us and ends us).
"""

from .environment import go_offline

# First in the package, so that no entry can import a library before it is taken off the network.
go_offline()
