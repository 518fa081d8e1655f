--- The server for |vim.lsp.config()|; `vim.lsp.enable('dsc')` is enough where ghost text is set up
--- by other means, `require('dsc').setup()` does both.
return require('dsc.server').config
