--- The same server for nvim-lspconfig's older `require('lspconfig').dsc.setup({})`.
local config = require('dsc.server').config

return {
  default_config = {
    cmd = config.cmd,
    filetypes = config.filetypes,
    get_language_id = config.get_language_id,
    before_init = config.before_init,
    single_file_support = true,
    root_dir = function(name)
      return vim.fs.root(name, config.root_markers)
    end,
  },
  docs = { description = 'Code completion by a DeepSeek-Coder model on your own machine.' },
}
