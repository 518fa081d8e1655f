--- Ghost text by dsc-lsp. |dsc.txt|
local insert = require('dsc.insert')
local server = require('dsc.server')
local sources = require('dsc.sources')

local M = {}

--- @class dsc.Options
--- @field cmd? string[] the server's command
--- @field filetypes? string[]
--- @field settings? table the server's, without their prefix: `{ model = 'starter', maxLines = 6 }`
local defaults = {
  --- Whether there is ghost text from the start; `:Dsc toggle`.
  ghost_text = true,
  --- Whether the suggestion stands in completion popups, too.
  popup = false,
  --- Whether Neovim's own inline completion is used where it is had (0.12).
  native = true,
  --- In insert mode; false for none. A key without a suggestion does what it did before.
  keymaps = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-C-Right>',
    next = '<M-]>',
    previous = '<M-[>',
    dismiss = '<C-]>',
  },
}

local options = defaults
local backend

local function accept(cut, otherwise)
  return backend.accept(cut, otherwise or function() end)
end

--- Takes the whole suggestion.
--- @param otherwise? fun() called if what is shown turns out not to fit any more
--- @return boolean taken false if there is none; else it is taken a moment later
function M.accept(otherwise)
  return accept(insert.cuts.all, otherwise)
end

--- Takes the suggestion's next word.
function M.accept_word(otherwise)
  return accept(insert.cuts.word, otherwise)
end

--- Takes the rest of the suggestion's line.
function M.accept_line(otherwise)
  return accept(insert.cuts.line, otherwise)
end

local function select(count)
  local client = vim.lsp.get_clients({ name = 'dsc', bufnr = 0 })[1]
  if not client or not options.ghost_text then
    return false
  end
  backend.select(count, client)
  return true
end

--- Shows the next suggestion, or one where there is none; the server is asked for others.
--- @return boolean asked false where no server can be
function M.next()
  return select(1)
end

--- Shows the one before.
--- @return boolean asked
function M.previous()
  return select(-1)
end

--- Takes the suggestion from sight.
--- @return boolean dismissed false if there was none
function M.dismiss()
  return backend.dismiss()
end

--- @param act fun(client: vim.lsp.Client, buffer: integer) called for each that is attached
local function each_attached(act)
  for _, client in ipairs(vim.lsp.get_clients({ name = 'dsc' })) do
    for buffer in pairs(client.attached_buffers) do
      act(client, buffer)
    end
  end
end

--- Turns ghost text on or off, in all buffers.
--- @param enabled boolean
function M.enable(enabled)
  options.ghost_text = enabled
  each_attached(function(_, buffer)
    backend.enable(enabled, buffer)
  end)
end

--- Turns ghost text on, or off if it is on.
function M.toggle()
  M.enable(not options.ghost_text)
  vim.notify('dsc: ghost text is ' .. (options.ghost_text and 'on' or 'off'))
end

--- What is said to the server here; |vim.lsp.config()| may say more.
local function config()
  return {
    cmd = options.cmd,
    filetypes = options.filetypes,
    settings = options.settings and { dsc = options.settings },
    on_init = function(client)
      server.running[client.id] = true
      if not options.popup then
        client.server_capabilities.completionProvider = nil
      end
    end,
    on_exit = server.on_exit,
  }
end

--- The keys for which a mapping stands that was made before, or the key itself.
local function keys_of(key, mapping)
  local function keycodes(text)
    return vim.api.nvim_replace_termcodes(text, true, true, true)
  end
  if mapping.callback then
    local result = mapping.callback()
    if mapping.expr ~= 1 then
      return ''
    end
    return mapping.replace_keycodes == 1 and keycodes(result) or result
  end
  if mapping.rhs then
    return mapping.expr == 1 and vim.api.nvim_eval(mapping.rhs) or keycodes(mapping.rhs)
  end
  return keycodes(key)
end

--- A key for an action, which does what it did before where there is nothing to act on.
local function map(key, name)
  local before = vim.fn.maparg(key, 'i', false, true)
  local function otherwise()
    vim.api.nvim_feedkeys(keys_of(key, before), 'n', false)
  end
  vim.keymap.set('i', key, function()
    -- What is chosen in a popup has the key first.
    local in_popup = vim.fn.pumvisible() == 1 and vim.fn.complete_info({ 'selected' }).selected ~= -1
    local acted = not in_popup and M[name](otherwise)
    return acted and '' or keys_of(key, before)
  end, { expr = true, replace_keycodes = false, desc = 'dsc: ' .. name })
end

local COMMANDS = {
  enable = function()
    M.enable(true)
  end,
  disable = function()
    M.enable(false)
  end,
  toggle = function()
    M.toggle()
  end,
  restart = function()
    server.restart()
  end,
}

--- Shows what a server suggests in a buffer.
local function show(client, buffer)
  backend.attach(client)
  if options.ghost_text then
    backend.enable(true, buffer)
  end
end

--- Starts the server for files of its filetypes, and shows what it suggests.
--- @param chosen? dsc.Options
function M.setup(chosen)
  if vim.fn.has('nvim-0.10') == 0 then
    vim.notify('dsc needs Neovim 0.10 or newer', vim.log.levels.ERROR)
    return
  end
  options = vim.tbl_deep_extend('force', defaults, chosen or {})
  local is_native = options.native and vim.lsp.inline_completion ~= nil
  backend = require(is_native and 'dsc.native' or 'dsc.ghost')
  vim.api.nvim_create_autocmd('LspAttach', {
    group = vim.api.nvim_create_augroup('dsc', {}),
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == 'dsc' then
        show(client, event.buf)
      end
    end,
  })
  each_attached(show)
  sources.setup()
  for name, key in pairs(options.keymaps) do
    if key then
      map(key, name)
    end
  end
  vim.api.nvim_create_user_command('Dsc', function(call)
    local command = COMMANDS[call.args]
    if command then
      command()
    else
      vim.notify('dsc: there is no :Dsc ' .. call.args, vim.log.levels.ERROR)
    end
  end, {
    nargs = 1,
    complete = function(typed)
      return vim.tbl_filter(function(name)
        return vim.startswith(name, typed)
      end, vim.tbl_keys(COMMANDS))
    end,
    desc = 'dsc: enable, disable, toggle or restart',
  })
  server.enable(config())
end

return M
